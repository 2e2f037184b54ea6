// The source file of a library that is there for its precompiled header.
