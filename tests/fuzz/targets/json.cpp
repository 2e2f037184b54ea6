// JSON texts: what is read can be written, and reads the same.
#include "json/value.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {
namespace {

// Each wrong kind is an error with file and path.
void misread(const json::Value& value) {
  succeeds([&] { (void)value.boolean(); });
  succeeds([&] { (void)value.integer(0, 10); });
  succeeds([&] { (void)value.unsigned_integer(); });
  succeeds([&] { (void)value.probability(); });
  succeeds([&] { (void)value.string(); });
  succeeds([&] { (void)value["x"]; });
  if (!value.is_array()) return;
  for (const json::Value& item : value.items()) succeeds([&] { (void)item.positive(); });
}

}  // namespace

void run(std::string_view input) {
  const json::Value value = json::parse(input, "input.json");
  accepted();
  const std::string text = value.dump();
  require(json::parse(text, "again.json").dump() == text, "JSON that was written reads the same");
  require(json::parse(value.dump(2), "indented.json").dump() == text, "indentation changes nothing");
  misread(value);
  if (value.is_object()) value.for_each([](const std::string&, const json::Value& member) { misread(member); });
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson)
