// What is wrong with a tokenizer's files is said in one line that names the file and the key, line or token.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "tests/support/data.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

// The smallest valid file; tests break one thing at a time.
Json valid() {
  return Json::parse(R"({
    "version": "1.0",
    "truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 128}},
    "added_tokens": [
      {"id": 4, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, 
       "normalized": false, "special": true},
      {"id": 5, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, 
       "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
               {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [4], "tokens": ["[CLS]"]},
                         "[SEP]": {"id": "[SEP]", "ids": [5], "tokens": ["[SEP]"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "unk_token": null,
              "vocab": {"a": 0, "b": 1, "ab": 2, "abb": 3}, "merges": ["a b", ["ab", "b"]]}
  })");
}

class Folder {
 public:
  void write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  std::unique_ptr<Tokenizer> load() { return load_tokenizer(folder_.path()); }
  // The message of the error that loading throws, with the folder's name left out.
  std::string error() {
    try {
      load();
    } catch (const Error& error) {
      std::string what = error.what();
      const std::string prefix = folder_.path().string();
      for (std::size_t at; (at = what.find(prefix)) != std::string::npos;) what.replace(at, prefix.size(), "DIR");
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      return what;
    }
    return "no error";
  }

 private:
  testing::TempDir folder_;
};

std::string error_of(const std::function<void(Json&)>& change) {
  Json root = valid();
  change(root);
  Folder folder;
  folder.write("tokenizer.json", root.dump());
  return folder.error();
}

TEST(TokenizerJson, ValidFileLoads) {
  Folder folder;
  folder.write("tokenizer.json", valid().dump());
  const auto tokenizer = folder.load();
  EXPECT_EQ(tokenizer->encode("abba").ids, (Ids{4, 3, 0}));  // the file's own truncation to 2 is not applied
  const Encoding pair = tokenizer->encode_pair("a", "b");
  EXPECT_EQ(pair.ids, (Ids{0, 5, 1}));
  EXPECT_EQ(pair.type_ids, (Ids{0, 1, 1}));
  EXPECT_EQ(tokenizer->pad_id(), -1);
}

TEST(TokenizerJson, NamesWhatIsMissing) {
  EXPECT_EQ(error_of([](Json& j) { j.erase("model"); }), "DIR/tokenizer.json: the key 'model' is missing");
  EXPECT_EQ(error_of([](Json& j) { j["model"].erase("vocab"); }),
            "DIR/tokenizer.json: model: the key 'vocab' is missing");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["merges"] = nullptr; }),
            "DIR/tokenizer.json: model: the key 'merges' is null");
  EXPECT_EQ(error_of([](Json& j) { j["added_tokens"][1].erase("id"); }),
            "DIR/tokenizer.json: added_tokens[1]: the key 'id' is missing");
  EXPECT_EQ(error_of([](Json& j) { j["post_processor"]["special_tokens"].erase("[SEP]"); }),
            "DIR/tokenizer.json: post_processor.special_tokens: the key '[SEP]' is missing");
}

TEST(TokenizerJson, NamesWhatIsOfTheWrongType) {
  EXPECT_EQ(error_of([](Json& j) { j = Json::array(); }),
            "DIR/tokenizer.json: must be an object, found an array of 0 elements");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["vocab"]["b"] = "1"; }),
            "DIR/tokenizer.json: model.vocab.b: must be an integer, found \"1\"");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["vocab"]["b"] = 1e30; }),
            "DIR/tokenizer.json: model.vocab.b: must be an integer of 64 bits, found 1e+30");
  EXPECT_EQ(error_of([](Json& j) { j["added_tokens"][0]["special"] = 1; }),
            "DIR/tokenizer.json: added_tokens[0].special: must be true or false, found 1");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["merges"] = "a b"; }),
            "DIR/tokenizer.json: model.merges: must be an array, found \"a b\"");
  EXPECT_EQ(
      error_of([](Json& j) { j["post_processor"]["single"][1]["Sequence"]["type_id"] = -1; }),
      "DIR/tokenizer.json: post_processor.single[1].Sequence.type_id: must be an integer from 0 to 255, found -1");
}

TEST(TokenizerJson, NamesDuplicatesGapsAndContradictions) {
  EXPECT_EQ(error_of([](Json& j) { j["model"]["vocab"]["b"] = 0; }),
            "DIR/tokenizer.json: id 0 is given to both \"a\" and \"b\"");
  EXPECT_EQ(error_of([](Json& j) { j["added_tokens"][1]["id"] = 7; }),
            "DIR/tokenizer.json: id 5 has no token, while ids go up to 7");
  EXPECT_EQ(error_of([](Json& j) { j["added_tokens"][1]["id"] = 4; }),
            "DIR/tokenizer.json: id 4 is given to both \"[CLS]\" and \"[SEP]\"");
  EXPECT_EQ(error_of([](Json& j) {
              j["added_tokens"][1]["content"] = "[CLS]";
              j["added_tokens"][1]["id"] = 4;
            }),
            "DIR/tokenizer.json: added_tokens[1]: \"[CLS]\" is added twice");
  EXPECT_EQ(error_of([](Json& j) { j["added_tokens"][1]["content"] = "ab"; }),
            "DIR/tokenizer.json: added_tokens[1]: id 5 contradicts the vocabulary, where \"ab\" is 2");
  EXPECT_EQ(error_of([](Json& j) { j["post_processor"]["special_tokens"]["[CLS]"]["ids"][0] = 6; }),
            "DIR/tokenizer.json: post_processor.special_tokens.[CLS].ids[0]: must be an integer from 0 to 5, found 6");
}

TEST(TokenizerJson, NamesBadMerges) {
  EXPECT_EQ(error_of([](Json& j) {
              j["model"]["merges"][1] = {"ab", "x"};
            }),
            "DIR/tokenizer.json: model.merges[1]: token \"x\" of this merge is not in the vocabulary");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["merges"][0] = "b a"; }),
            "DIR/tokenizer.json: model.merges[0]: token \"ba\" of this merge is not in the vocabulary");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["merges"][0] = "a b c"; }),
            "DIR/tokenizer.json: model.merges[0]: expected two tokens with a space between them, found \"a b c\"");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["merges"][1] = {"ab"}; }),
            "DIR/tokenizer.json: model.merges[1]: expected two tokens, found 1");
}

TEST(TokenizerJson, NamesWhatIsUnsupported) {
  EXPECT_EQ(error_of([](Json& j) { j["version"] = "2.0"; }),
            "DIR/tokenizer.json: version: unsupported version \"2.0\", expected \"1.0\"");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["type"] = "Unigram"; }),
            "DIR/tokenizer.json: model.type: unsupported model Unigram, expected BPE or WordPiece");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["dropout"] = 0.1; }),
            "DIR/tokenizer.json: model.dropout: unsupported, expected null or 0: encoding is deterministic");
  EXPECT_EQ(error_of([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }),
            "DIR/tokenizer.json: model.end_of_word_suffix: unsupported, expected null or \"\"");
  EXPECT_EQ(
      error_of([](Json& j) {
        j["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}}}};
      }),
      "DIR/tokenizer.json: normalizer.normalizers[1].type: unsupported normalizer Lowercase for BPE, expected NFC");
  EXPECT_EQ(error_of([](Json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; }),
            "DIR/tokenizer.json: pre_tokenizer.type: unsupported pre_tokenizer Whitespace for BPE, expected ByteLevel");
  EXPECT_EQ(error_of([](Json& j) { j["pre_tokenizer"] = nullptr; }),
            "DIR/tokenizer.json: pre_tokenizer: expected one ByteLevel for BPE, found 0 steps");
  EXPECT_EQ(
      error_of([](Json& j) { j["post_processor"]["type"] = "X"; }),
      "DIR/tokenizer.json: post_processor.type: unsupported post_processor X, expected ByteLevel, BertProcessing, "
      "RobertaProcessing or TemplateProcessing");
  EXPECT_EQ(error_of([](Json& j) { j["post_processor"]["single"].erase(1); }),
            "DIR/tokenizer.json: post_processor: the template of a single text must hold text A once and no text B");
}

TEST(TokenizerJson, NotJson) {
  Folder folder;
  folder.write("tokenizer.json", "{\"model\": ");
  EXPECT_EQ(folder.error().rfind("DIR/tokenizer.json: not valid JSON: parse error at line 1, column 11", 0), 0u)
      << folder.error();
  folder.write("tokenizer.json", "{\"\xFF\": 1}");
  EXPECT_EQ(folder.error().rfind("DIR/tokenizer.json: not valid JSON: ", 0), 0u) << folder.error();
}

TEST(TokenizerJson, PostProcessorsOfTheOlderKinds) {
  Json root = valid();
  root["post_processor"] = {{"type", "RobertaProcessing"}, {"sep", {"[SEP]", 5}}, {"cls", {"[CLS]", 4}}};
  Folder folder;
  folder.write("tokenizer.json", root.dump());
  EXPECT_EQ(folder.load()->encode_pair("a", "b").ids, (Ids{4, 0, 5, 5, 1, 5}));
  root["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       {{{"type", "ByteLevel"}}, {{"type", "BertProcessing"}, {"sep", {"[SEP]", 5}}, {"cls", {"[CLS]", 4}}}}}};
  folder.write("tokenizer.json", root.dump());
  const Encoding pair = folder.load()->encode_pair("a", "b");
  EXPECT_EQ(pair.ids, (Ids{4, 0, 5, 1, 5}));
  EXPECT_EQ(pair.type_ids, (Ids{0, 0, 0, 1, 1}));
  root["post_processor"]["processors"][1]["sep"] = {"[SEP]", 4};
  folder.write("tokenizer.json", root.dump());
  EXPECT_EQ(folder.error(),
            "DIR/tokenizer.json: post_processor.processors[1].sep: id 4 is \"[CLS]\" in the vocabulary, not \"[SEP]\"");
}

class VocabAndMerges : public ::testing::Test {
 protected:
  VocabAndMerges() {
    folder.write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})");
    folder.write("merges.txt", "#version: 0.2\na b\n");
  }
  Folder folder;
};

TEST_F(VocabAndMerges, Load) {
  EXPECT_EQ(folder.load()->encode("abb<|endoftext|>").ids, (Ids{2, 1, 3}));
  EXPECT_EQ(folder.load()->pad_id(), 3);
  folder.write("merges.txt", "a b");  // neither version line nor line end
  EXPECT_EQ(folder.load()->encode("ab").ids, (Ids{2}));
  folder.write("merges.txt", "#version: 0.2\r\na b\r\n\n");
  EXPECT_EQ(folder.load()->encode("ab").ids, (Ids{2}));
}

TEST_F(VocabAndMerges, BadLinesAreNumbered) {
  folder.write("merges.txt", "#version: 0.2\na b\na\n");
  EXPECT_EQ(folder.error(), "DIR/merges.txt:3: expected two tokens with a space between them, found \"a\"");
  folder.write("merges.txt", "#version: 0.2\n\na b\n");
  EXPECT_EQ(folder.error(), "DIR/merges.txt:2: expected two tokens with a space between them, found \"\"");
  folder.write("merges.txt", "a b\nb a\n");
  EXPECT_EQ(folder.error(), "DIR/merges.txt:2: token \"ba\" of this merge is not in the vocabulary");
  folder.write("merges.txt", std::string("a b\n\x01 \x02\n"));
  EXPECT_EQ(folder.error(), "DIR/merges.txt:2: token \"\\x01\" of this merge is not in the vocabulary");
}

TEST_F(VocabAndMerges, ConfigDecidesTheClass) {
  folder.write("vocab.json",
               R"({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6, "<mask>": 7, "Ġ": 8})");
  EXPECT_EQ(folder.load()->encode("ab  <mask>").ids, (Ids{0, 6, 7, 2}));
  folder.write("tokenizer_config.json",
               R"({"tokenizer_class": "GPT2TokenizerFast", "pad_token": {"content": "<pad>"}})");
  EXPECT_EQ(folder.load()->encode("ab").ids, (Ids{6}));
  EXPECT_EQ(folder.load()->pad_id(), 1);
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true})");
  EXPECT_EQ(folder.load()->encode("ab").ids, (Ids{0, 8, 6, 2}));
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_EQ(folder.error(),
            "DIR/vocab.json: unsupported tokenizer_class LlamaTokenizer for vocab.json with merges.txt, "
            "expected GPT2Tokenizer or RobertaTokenizer");
  folder.write("tokenizer_config.json", R"({"pad_token": "[PAD]"})");
  EXPECT_EQ(folder.error(), "DIR/vocab.json: pad_token \"[PAD]\" of tokenizer_config.json is not in the vocabulary");
  folder.write("tokenizer_config.json",
               R"({"added_tokens_decoder": {"9": {"content": "[PAD]", "special": true}}, "pad_token": "[PAD]"})");
  EXPECT_EQ(folder.load()->pad_id(), 9);
}

TEST(LoadTokenizer, OpenAisFileNamesWillDo) {
  Folder folder;
  folder.write("encoder.json", R"({"a": 0, "b": 1, "ab": 2})");
  folder.write("vocab.bpe", "#version: 0.2\na b\n");
  EXPECT_EQ(folder.load()->encode("abb").ids, (Ids{2, 1}));
  EXPECT_EQ(folder.load()->files().size(), 2u);
}

TEST(LoadTokenizer, NamesAFolderThatHoldsNothing) {
  Folder folder;
  EXPECT_EQ(folder.error(), "DIR: holds no tokenizer.json, no vocab.json with merges.txt and no vocab.txt");
  EXPECT_THROW(load_tokenizer("/no/such/folder"), Error);
}

TEST(LoadTokenizer, TextThatIsNotUtf8IsRefusedWithItsPlace) {
  Folder folder;
  folder.write("tokenizer.json", valid().dump());
  const auto tokenizer = folder.load();
  try {
    tokenizer->encode("ab\xC3");
    FAIL() << "accepted a broken character";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "text: not valid UTF-8 at byte offset 2");
  }
  try {
    tokenizer->encode_batch(std::vector<std::string>{"a", "\xED\xA0\x80"});
    FAIL() << "accepted a surrogate";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "text number 1 (from 0): text: not valid UTF-8 at byte offset 0");
  }
}

}  // namespace
}  // namespace attune
