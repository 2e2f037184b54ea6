// The files that are mapped (base/mapping.h), for the errors of those that somebody cuts meanwhile.
//
// Reading a page that is no longer there, or that the disk cannot read, sends SIGBUS. The program then prints one line that
// names the file and exits with 1, at once: what was saved before stays as it is. There is no signal for bytes that were
// cut off the last page, which are zeros then: check_mapped_files() finds that.
#pragma once

#include <cstddef>
#include <string>

namespace attune {

/// The first `bytes` of an open file are mapped at `begin`; `name` is for errors. Throws IoError if the descriptor cannot
/// be copied, or if 64 files are mapped already.
void add_mapped_file(const std::byte* begin, std::size_t bytes, int file, const std::string& name);
/// The mapping at `begin` ends.
void remove_mapped_file(const std::byte* begin);
/// Throws IoError naming a file that has become shorter than its mapping. To be called before results of mapped bytes
/// are reported or saved.
void check_mapped_files();

}  // namespace attune
