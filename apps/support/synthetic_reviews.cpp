#include "apps/support/synthetic_reviews.h"

#include <array>
#include <random>
#include <string_view>

namespace attune {
namespace {

using Words = std::vector<std::string_view>;

const Words kAspects = {"the acting", "the plot",        "the photography", "the dialogue", "the score",
                        "the pacing", "the lead",        "the script",      "the editing",  "the supporting cast",
                        "the ending", "the opening hour"};
const Words kGood = {"gripping",   "wonderful", "moving", "clever",   "beautiful",
                     "convincing", "funny",     "tense",  "original", "superb"};
const Words kBad = {"dull",     "clumsy", "predictable", "tedious",  "wooden",
                    "annoying", "flat",   "lazy",        "dreadful", "forgettable"};
const Words kTitles = {"Harbour Lights", "The Last Orchard", "Nine Miles Out", "A Quiet Engine",
                       "Paper Wolves",   "The Glass Ferry",  "Winter Signal",  "Second Tide"};
const Words kHedges = {"perhaps ", "at times ", "somewhat ", "almost ", "to my surprise ", ""};
const Words kOthers = {"My brother thought %a was %w, but I did not.", "The posters call %a %w; they are wrong.",
                       "Somebody behind me found %a %w. I could not agree less."};
const Words kPlain = {"%A was %h%w.", "I found %a %h%w.", "%A struck me as %h%w.", "Above all, %a felt %h%w."};
const Words kNegated = {"%A was not %w at all.", "%A was hardly %w.", "I cannot say that %a was %w.",
                        "%A was anything but %w.", "Nobody could call %a %w."};
// The same words for both labels: order and negation decide.
const Words kUpVerdicts = {"I would watch it again.",
                           "You will not regret the ticket.",
                           "Do not let the poster keep you away.",
                           "I was not sorry to have stayed.",
                           "It never lost me.",
                           "I left happy, not early."};
const Words kDownVerdicts = {"I would not watch it again.",     "You will regret the ticket.",
                             "Let the poster keep you away.",   "I was sorry to have stayed.",
                             "It lost me and never came back.", "I left early, not happy."};
const Words kFiller = {"It runs for about two hours.", "I saw it on a rainy Tuesday.",
                       "It was shot in the north.",    "The director has made three films before.",
                       "There is a dog in it.",        "The hall was half full."};

class Author {
 public:
  explicit Author(std::uint64_t seed) : engine_(seed) {}

  bool chance(double p) { return static_cast<double>(engine_() >> 11) * 0x1p-53 < p; }
  std::string_view pick(const Words& words) { return words[engine_() % words.size()]; }

  // One judgement that means `good`; the share `negated` uses a negated word of the opposite meaning.
  std::string judgement(bool good, double negated) {
    const std::string_view aspect = pick(kAspects);
    if (chance(0.1)) return fill(pick(kOthers), aspect, pick(good ? kBad : kGood));
    if (chance(negated)) return fill(pick(kNegated), aspect, pick(good ? kBad : kGood));
    return fill(pick(kPlain), aspect, pick(good ? kGood : kBad));
  }

  // Most reviews have one sentence, which decides the label, so the meaning of each phrase can be learned. In the
  // others only the closing verdict decides. Most of the sentences before it are negated, and a "not" in them must not
  // change the verdict.
  std::string review(bool positive) {
    std::string text = "I went to see " + std::string(pick(kTitles)) + ". ";
    const std::string verdict(pick(positive ? kUpVerdicts : kDownVerdicts));
    if (chance(0.6)) {
      if (chance(0.5)) text.clear();
      return text + (chance(0.3) ? verdict : judgement(positive, 0.35));
    }
    const int judgements = 1 + static_cast<int>(engine_() % 2);
    for (int i = 0; i < judgements; ++i) {
      const bool good = chance(0.75) == positive;
      text += judgement(good, 0.65) + " ";
    }
    if (chance(0.3)) text += std::string(pick(kFiller)) + " ";
    return text + verdict;
  }

 private:
  // Puts aspect (%a, %A capitalised), hedge (%h) and word (%w) into a pattern.
  std::string fill(std::string_view pattern, std::string_view aspect, std::string_view word) {
    std::string out;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != '%') {
        out += pattern[i];
        continue;
      }
      switch (pattern[++i]) {
        case 'a':
          out += aspect;
          break;
        case 'A':
          out += static_cast<char>(aspect[0] - 'a' + 'A');
          out += aspect.substr(1);
          break;
        case 'h':
          out += pick(kHedges);
          break;
        default:
          out += word;
      }
    }
    return out;
  }

  std::mt19937_64 engine_;
};

}  // namespace

std::vector<LabelledText> synthetic_reviews(std::uint64_t seed, std::int64_t count, double noise) {
  Author author(seed);
  std::vector<LabelledText> out;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool positive = author.chance(0.5);
    std::string text = author.review(positive);
    out.push_back({std::move(text), (positive != author.chance(noise)) ? 1 : 0});
  }
  return out;
}

}  // namespace attune
