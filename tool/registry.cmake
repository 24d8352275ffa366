# The directory is the registry: lists the .c files of one folder (or of each folder that a pattern
# matches) and writes a table of what they define, so that adding a file adds the thing.
#   hone_registry(KIND FOLDER DECLARATION HEADER)
# In DECLARATION, @ stands for the file's name (for a pattern: folder_name). The table is
# `registry_KIND`, closed by NULL; its names are in `registry_KIND_names`.
function(hone_registry kind folder declaration header)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
  list(FILTER sources EXCLUDE REGEX "/kit/[^/]*$")
  if(NOT sources AND NOT EXISTS ${CMAKE_SOURCE_DIR}/src/${header})
    return()
  endif()
  set(externs "")
  set(entries "")
  set(names "")
  string(REGEX MATCH "^const [a-z_]+" type "${declaration}")
  set(prefix "&")
  set(pointee "${type} *const")
  if(declaration MATCHES "\\[\\]$")
    set(prefix "")
    if(declaration MATCHES "\\*const")
      set(pointee "${type} *const *const")
    endif()
  endif()
  foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    if(folder MATCHES "\\*")
      get_filename_component(parent ${source} DIRECTORY)
      get_filename_component(parent ${parent} NAME)
      set(name "${parent}_${name}")
    endif()
    string(REPLACE "@" "${name}" line "${declaration}")
    string(APPEND externs "extern ${line};\n")
    string(REGEX MATCH "[a-z0-9_]+(\\[\\])?$" symbol "${line}")
    string(REPLACE "[]" "" symbol "${symbol}")
    string(APPEND entries "    ${prefix}${symbol},\n")
    string(APPEND names "    \"${name}\",\n")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/registry/${kind}.c)
  file(CONFIGURE OUTPUT ${out} CONTENT
"// Written by the build from the files in ${folder}
#include \"${header}\"
#include <stddef.h>
${externs}
extern ${pointee} registry_${kind}[];
extern const char *const registry_${kind}_names[];
${pointee} registry_${kind}[] = {
${entries}    NULL};
const char *const registry_${kind}_names[] = {
${names}    NULL};
" @ONLY)
  set(HONE_REGISTRY_${kind} ${out} PARENT_SCOPE)
  if(NOT folder MATCHES "^test")
    set(HONE_REGISTRIES ${HONE_REGISTRIES} ${out} PARENT_SCOPE)
  endif()
endfunction()
