# Compiler settings, third-party packages and the three helpers every CMakeLists below uses:
# galen_module (one static library per room), galen_program and galen_unit_test.

find_program(GALEN_CCACHE ccache)
if(GALEN_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GALEN_CCACHE})
endif()
find_program(GALEN_MOLD mold)
if(GALEN_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
# Two compile jobs and one link at a time: the reference machine has two cores, and a link of gRPC takes memory.
set_property(GLOBAL PROPERTY JOB_POOLS compile=2 link=1)
set(CMAKE_JOB_POOL_COMPILE compile)
set(CMAKE_JOB_POOL_LINK link)

# A package found in one folder is known in all: tests link what src found.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(tl-expected REQUIRED)

# Hardening that a hospital's review asks for; assertions (GALEN_ASSERT, _GLIBCXX_ASSERTIONS) stay on in release.
add_compile_definitions(_GLIBCXX_ASSERTIONS $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
add_compile_options(-fstack-protector-strong -fno-omit-frame-pointer)
add_link_options(-Wl,-z,relro,-z,now)
# What rests on Debian's libraries, which are not built with container annotations.
if(GALEN_SANITIZE STREQUAL "asan")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(GALEN_SANITIZE STREQUAL "tsan")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()

# libFuzzer (tests/fuzz, preset fuzz): clang only. All code is instrumented, one program has the engine.
option(GALEN_FUZZ "Build the fuzz targets for libFuzzer, with ASan and UBSan" OFF)
if(GALEN_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "GALEN_FUZZ needs clang: cmake --preset fuzz")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -Wno-unknown-warning-option)
  add_link_options(-fsanitize=address,undefined)
endif()

set(GALEN_WARNINGS -Wall -Wextra -Wpedantic -Wshadow=local -Wnon-virtual-dtor -Woverloaded-virtual -Werror=unused-result -Werror=return-type -Wno-missing-field-initializers)

# Parsing the same heavy headers is about half of a compile: precompiled where a build starts from nothing (GALEN_PCH; not in
# dev, where it would cost a rebuild for a change in one header).
option(GALEN_PCH "Precompile the heavy third-party headers" OFF)
function(galen_precompile target)
  if(GALEN_PCH)
    target_compile_options(${target} PRIVATE -Winvalid-pch)
    if("${ARGV1}" STREQUAL "REUSE_FROM")
      target_precompile_headers(${target} REUSE_FROM ${ARGV2})
    else()
      target_precompile_headers(${target} PRIVATE ${ARGN})
    endif()
  endif()
endfunction()
set(GALEN_COMMON_HEADERS <algorithm> <functional> <map> <memory> <optional> <span> <string> <variant> <vector> <fmt/format.h>
    <tl/expected.hpp>)
set(GALEN_TYPES_HEADERS ${GALEN_COMMON_HEADERS} <galen/ledger/v1/state.pb.h> <galen/ledger/v1/transaction.pb.h>)

# galen_module(NAME DEPS...): library galen_NAME from src/NAME/*.cpp, public headers in include/galen/NAME.
function(galen_module name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(NOT sources)
    add_library(galen_${name} INTERFACE)
    target_include_directories(galen_${name} INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(galen_${name} INTERFACE ${ARGN})
    return()
  endif()
  add_library(galen_${name} STATIC ${sources})
  target_include_directories(galen_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(galen_${name} PRIVATE ${GALEN_WARNINGS})
  target_link_libraries(galen_${name} PUBLIC ${ARGN})
  if(name STREQUAL "storage")  # nothing of ours is below it
    return()
  endif()
  if(name MATCHES "^(base|crypto|socket)$")
    galen_precompile(galen_${name} ${GALEN_COMMON_HEADERS})
  else()
    galen_precompile(galen_${name} ${GALEN_TYPES_HEADERS})
  endif()
endfunction()

# galen_program(NAME DIR DEPS...): executable NAME from src/DIR/main.cpp. What reads a command line runs once: at -O2 its
# headers take longer to compile than all it calls.
function(galen_program name dir)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/src/${dir}/main.cpp)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${GALEN_WARNINGS} $<$<CONFIG:Release>:-O1>)
  target_link_libraries(${name} PRIVATE ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()
