# What a program that links to unroll needs. Used by unroll's own build and by the installed package.
# Sets `unroll_missing` to the names of what was not found.
set(unroll_missing "")

foreach(package xtensor xsimd fmt)
  find_package(${package} CONFIG QUIET)
  if(NOT ${package}_FOUND)
    list(APPEND unroll_missing ${package})
  endif()
endforeach()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads QUIET)
if(NOT Threads_FOUND)
  list(APPEND unroll_missing threads)
endif()

# Libraries whose CMake packages are missing or differ between systems: unroll::<name> from one header and one library.
# Where several BLAS are installed the folder named openblas comes first; Homebrew keeps its OpenBLAS out of the way.
foreach(entry openblas:cblas.h utf8proc:utf8proc.h md:md5.h)
  string(REPLACE ":" ";" entry ${entry})
  list(GET entry 0 name)
  list(GET entry 1 header)
  string(TOUPPER UNROLL_${name} variable)
  find_path(${variable}_INCLUDE_DIR ${header}
            PATH_SUFFIXES openblas-pthread openblas
            HINTS /opt/homebrew/opt/openblas/include /usr/local/opt/openblas/include)
  find_library(${variable}_LIBRARY NAMES ${name}
               HINTS /opt/homebrew/opt/openblas/lib /usr/local/opt/openblas/lib)
  mark_as_advanced(${variable}_INCLUDE_DIR ${variable}_LIBRARY)
  if(NOT ${variable}_INCLUDE_DIR OR NOT ${variable}_LIBRARY)
    list(APPEND unroll_missing lib${name})
  elseif(NOT TARGET unroll::${name})
    add_library(unroll::${name} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(unroll::${name} PROPERTIES IMPORTED_LOCATION ${${variable}_LIBRARY}
                                                     INTERFACE_INCLUDE_DIRECTORIES ${${variable}_INCLUDE_DIR})
  endif()
endforeach()
