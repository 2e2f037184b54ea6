// Names of the files that are in a folder only while others are replaced: the name of the file that they stand for, a mark, and six
// letters from a to z.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace attune {

enum class Mark {
  kNew,          // in the making, or ready to be put in place
  kOld,          // set aside by a commit of a FileSet
  kOldKey,       // the key file of the old set, while others of it may still be in place
  kReplacedKey,  // the same from then on: all of the old set is aside, and files of the new one may be in place
};

struct MarkedName {
  std::string target;  // "config.json" of "config.json.attune-temporary-abcdef"
  Mark mark;
};

/// A name beside `path`, drawn by chance.
std::string marked_path(const std::string& path, Mark mark);
/// What the name of a file stands for; nothing for a name without a mark.
std::optional<MarkedName> parse_marked_name(std::string_view name);

}  // namespace attune
