// The memory of values: a tree of nodes, owned by a document that its values share.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace attune::json {

struct Member;

struct Node {
  using Array = std::vector<Node>;
  // Not std::vector itself: of a variant of only such types GCC 12's library believes that it always has a value, and
  // destroys one without a value if a copy runs out of memory.
  struct Object : std::vector<Member> {
    using std::vector<Member>::vector;
  };

  // std::uint64_t holds only what std::int64_t cannot.
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> data;
};

struct Member {
  std::string key;
  Node value;
};

struct Document {
  std::string file;  // empty if the value was built
  std::string path;  // of the root, if it was once part of another document
  Node root;
};

/// The text of a node. `indent` < 0: on one line.
std::string dump(const Node& node, int indent);

}  // namespace attune::json
