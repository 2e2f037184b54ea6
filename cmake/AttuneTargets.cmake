# The functions every room uses to declare what it builds. Sources are listed, never globbed.

# attune_unity(<target>...): with ATTUNE_UNITY, the files of each are compiled in groups.
function(attune_unity)
  set_target_properties(${ARGN} PROPERTIES UNITY_BUILD ${ATTUNE_UNITY} UNITY_BUILD_BATCH_SIZE 16)
endfunction()

# attune_test_options(<target>... [OPTIMIZED]): the options of tests and their helpers: -O0, since the libraries that they call do the work and -O1 would take
#   half as long again to compile. OPTIMIZED: -O1, for those that compute so much themselves that it saves more than it costs; with sanitizers, which make all
#   code slower, every test is. With ATTUNE_UNITY in groups too, and with the precompiled headers of attune_test_headers or, which GCC demands where the level
#   differs, attune_optimized_test_headers: hence -fPIE, which helpers would else be without.
function(attune_test_options)
  cmake_parse_arguments(ARG "OPTIMIZED" "" "" ${ARGN})
  set(level -O0)
  set(headers attune_test_headers)
  if(ARG_OPTIMIZED OR ATTUNE_SANITIZE)
    set(level -O1)
    set(headers attune_optimized_test_headers)
  endif()
  attune_unity(${ARG_UNPARSED_ARGUMENTS})
  foreach(target ${ARG_UNPARSED_ARGUMENTS})
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${level} -fPIE>)
    if(ATTUNE_UNITY AND NOT target MATCHES "_test_headers$")
      target_precompile_headers(${target} REUSE_FROM ${headers})
    endif()
  endforeach()
endfunction()

# attune_link_json_first(<program>): of inline functions that several files have, std::string's for one, the linker keeps the first. Those that JSON is read
#   with should not be a test's, which are not optimised: that costs half of the time of some tests.
function(attune_link_json_first program)
  target_link_options(${program} PRIVATE LINKER:--whole-archive,$<TARGET_FILE:attune_json>,--no-whole-archive)
  add_dependencies(${program} attune_json)
endfunction()

# attune_library(<room> SOURCES <file>... [DEPENDS <room or target>...] [PRIVATE <target>...])
#   One library per room, named attune_<room>. DEPENDS are its edges in the layer table (public), PRIVATE are third-party
#   libraries that only its .cpp files see. A room without .cpp files becomes an INTERFACE library.
function(attune_library room)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  set(target attune_${room})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
    attune_unity(${target})
    target_link_libraries(${target} PRIVATE attune_flags ${ARG_PRIVATE})
    set(visibility PUBLIC)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CMAKE_SOURCE_DIR})
    set(visibility INTERFACE)
  endif()
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(${target} ${visibility} attune_${dependency})
  endforeach()
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE folder)
  set_property(GLOBAL PROPERTY ATTUNE_FOLDER_OF_${room} ${folder})
  set_property(GLOBAL APPEND PROPERTY ATTUNE_LIBRARIES ${room})
  set_property(GLOBAL PROPERTY ATTUNE_DEPENDS_OF_${room} ${ARG_DEPENDS})
endfunction()

# attune_write_edges(<file>): a line "<folder> <folder>" for every DEPENDS of every library so far, to be compared with the
#   layer table.
function(attune_write_edges file)
  get_property(libraries GLOBAL PROPERTY ATTUNE_LIBRARIES)
  set(lines "")
  foreach(library ${libraries})
    get_property(from GLOBAL PROPERTY ATTUNE_FOLDER_OF_${library})
    get_property(dependencies GLOBAL PROPERTY ATTUNE_DEPENDS_OF_${library})
    foreach(dependency ${dependencies})
      get_property(to GLOBAL PROPERTY ATTUNE_FOLDER_OF_${dependency})
      string(APPEND lines "${from} ${to}\n")
    endforeach()
  endforeach()
  file(WRITE ${file} "${lines}")
endfunction()

# attune_program(<name> SOURCES <file>... DEPENDS <room>... [PRIVATE <target>...])
#   A program in build/<preset>/bin.
function(attune_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE attune_flags ${ARG_PRIVATE})
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(${name} PRIVATE attune_${dependency})
  endforeach()
endfunction()

# attune_test(<name> LABELS <label>... SOURCES <file>... DEPENDS <room>... [PRIVATE <target>...] [TIMEOUT <seconds>] [FILTER <filter>] [OPTIMIZED])
#   A GoogleTest program, registered with CTest as one test under the labels given (see docs/tour.md for their meanings). FILTER: the tests that it runs,
#   as GTEST_FILTER has them; others are added with attune_test_part.
#   Exit code 77 means: every test of the program was skipped, for a reason it printed (e.g. ATTUNE_DATA is not set).
function(attune_test name)
  cmake_parse_arguments(ARG "OPTIMIZED" "TIMEOUT;FILTER" "LABELS;SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set(optimized "")
  if(ARG_OPTIMIZED)
    set(optimized OPTIMIZED)
  endif()
  attune_test_options(${name} ${optimized})
  attune_link_json_first(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE attune_flags attune_test_support ${ARG_PRIVATE})
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(${name} PRIVATE attune_${dependency})
  endforeach()
  attune_add_test(${name} ${name} "${ARG_FILTER}" "${ARG_TIMEOUT}" "${ARG_LABELS}")
endfunction()

# attune_test_part(<name> <part> LABELS <label>... [FILTER <filter>] [TIMEOUT <seconds>] [ENVIRONMENT <variable>=<value>...])
#   Other tests of the program <name>, or the same with other variables, as a CTest of their own that is named <name>_<part>.
function(attune_test_part name part)
  cmake_parse_arguments(ARG "" "TIMEOUT;FILTER" "LABELS;ENVIRONMENT" ${ARGN})
  attune_add_test(${name}_${part} ${name} "${ARG_FILTER}" "${ARG_TIMEOUT}" "${ARG_LABELS}" ${ARG_ENVIRONMENT})
endfunction()

# The CTest `name` runs the tests of `program` that `filter` selects. Those that compute on the device run in the simulator where there is no GPU.
function(attune_add_test name program filter timeout labels)
  if(NOT timeout)
    set(timeout 600)
  endif()
  if(ATTUNE_SANITIZE)
    math(EXPR timeout "6 * ${timeout}")
  endif()
  set(environment ${ARGN})
  if(ATTUNE_CUDA_TEST_LABEL IN_LIST labels)
    list(APPEND environment ATTUNE_SIMULATE_GPU=1)
  endif()
  if(filter)
    list(APPEND environment "GTEST_FILTER=${filter}")
  endif()
  add_test(NAME ${name} COMMAND ${program})
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout} SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
endfunction()
