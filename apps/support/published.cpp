#include "apps/support/published.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "apps/support/hub.h"

namespace attune {

Flag* PublishedFlags::declare(CommandLine& app, const std::string& flag) {
  std::vector<std::string> names;
  for (const PublishedModel& known : published_models(kind)) names.push_back(known.name);
  Flag* chosen =
      app.add_option(flag, model, "Published model")->check(one_of(names))->capture_default_str()->group("Model");
  app.add_flag("--list_models", list, "Only print the published models and their repositories")->group("Model");
  return chosen;
}

int PublishedFlags::print() const {
  for (const PublishedModel& known : published_models(kind)) {
    std::cout << known.name;
    char separator = '\t';
    for (const std::string& repository : known.repositories) std::cout << std::exchange(separator, ' ') << repository;
    std::cout << "\n";
  }
  return 0;
}

PublishedModel PublishedFlags::chosen() const {
  const std::vector<PublishedModel> models = published_models(kind);
  const auto found = std::ranges::find(models, model, &PublishedModel::name);
  CHECK(found != models.end(), "there is no published model '", model, "'");
  return *found;
}

std::string PublishedFlags::repository() const {
  return chosen().repositories.front();
}

std::string PublishedFlags::folder() const {
  return find_in_hub_cache(chosen().repositories);
}

}  // namespace attune
