// The command lines of all programs, parsed and not run. Input: a byte for the program, the arguments in lines.
//
// The programs' own sources are compiled with main under another name, and the linker sends their calls of
// CommandLine::parse here (tests/fuzz/CMakeLists.txt).
#include <algorithm>
#include <cstring>

#include "apps/support/command_line.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) noexcept;
extern "C" int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*run)(const std::uint8_t* data, std::size_t size));

int main_of_evaluate(int argc, char** argv);
int main_of_predict(int argc, char** argv);
int main_of_prepare_imdb(int argc, char** argv);
int main_of_prepare_spam(int argc, char** argv);
int main_of_tokenize(int argc, char** argv);
int main_of_train_bert(int argc, char** argv);
int main_of_train_gpt(int argc, char** argv);
int main_of_train_logreg(int argc, char** argv);

namespace attune {

namespace {

constexpr int (*kPrograms[])(int, char**) = {main_of_predict,      main_of_prepare_imdb, main_of_prepare_spam,
                                             main_of_tokenize,     main_of_train_bert,   main_of_train_gpt,
                                             main_of_train_logreg, main_of_evaluate};
std::vector<CommandLine*> parsers;     // of the programs, in this order
std::vector<std::string> known_flags;  // of all of them

// Of an input: lines that are longer have more of the same flags, and the parser compares each argument with all of them.
constexpr std::size_t kMaxLength = 256;

}  // namespace

extern "C" bool __real__ZN6attune11CommandLine5parseEiPPc(CommandLine* app, int argc, char** argv);

// Declaring the flags takes much longer than parsing. So the parsers stay: each main() calls that of the next program
// here, and the last one runs libFuzzer, which ends the process.
extern "C" bool __wrap__ZN6attune11CommandLine5parseEiPPc(CommandLine* app, int argc, char** argv) {
  for (const auto& [name, value] : app->values()) known_flags.push_back(name);
  parsers.push_back(app);
  if (parsers.size() < std::size(kPrograms))
    kPrograms[parsers.size()](argc, argv);
  else
    LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput);
  return false;
}

namespace fuzz {

void run(std::string_view input) {
  if (input.empty() || input.find('\0') != std::string_view::npos) return;
  std::vector<std::string> arguments = {"program", ""};
  for (const char c : input.substr(1))
    if (c == '\n')
      arguments.emplace_back();
    else
      arguments.back() += c;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  CommandLine& app = *parsers[static_cast<unsigned char>(input[0]) % parsers.size()];
  const auto parse = [&](std::size_t count) {
    return __real__ZN6attune11CommandLine5parseEiPPc(&app, static_cast<int>(count), argv.data());
  };
  succeeds([&] {
    if (!parse(arguments.size())) return;
    accepted();
    for (const auto& [name, value] : app.values()) require(!name.empty(), "every flag has a name");
  });
  // The parser lets go of the arguments here, and not at the next input: libFuzzer runs an input again that keeps memory.
  succeeds([&] { parse(1); });
}

}  // namespace fuzz
}  // namespace attune

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return attune::parsers.empty() ? attune::kPrograms[0](*argc, *argv) : 0;
}

// Puts flags in that the programs have, with a value or without.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  using attune::known_flags;
  max_size = std::min(max_size, attune::kMaxLength);
  attune::fuzz::Random random(seed);
  if (random.one_in(2)) return LLVMFuzzerMutate(data, size, max_size);
  static constexpr const char* kValues[] = {
      "\n1",    "\n-1",         "\n0.5", "=x",     "\na,b", "\n1e999", "\n",
      "\ntrue", "\nbpe",        "",      "\ntext", "\n007", "\nnan",   "\n9223372036854775808",
      "=",      "\nmulti_label"};
  const std::string word = "\n" + random.of(known_flags) + random.of(kValues);
  if (size == 0 || size + word.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::size_t at = 1 + random.below(static_cast<std::uint32_t>(size));
  while (at < size && data[at] != '\n') ++at;
  std::memmove(data + at + word.size(), data + at, size - at);
  std::memcpy(data + at, word.data(), word.size());
  return size + word.size();
}
