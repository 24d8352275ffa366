# The library, and what `make install` gives. Only what is marked HONE_API leaves it: in the shared library by
# -fvisibility=hidden, in the static one by making every hidden symbol local to its single object.
# Versions: the soname is the part that must change when programs must be built anew: MAJOR, and below 1.0
# MAJOR.MINOR.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(HONE_SOVERSION ${PROJECT_VERSION_MAJOR})
set(HONE_COMPATIBILITY SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(HONE_SOVERSION 0.${PROJECT_VERSION_MINOR})
  set(HONE_COMPATIBILITY SameMinorVersion)
endif()

add_library(hone_shared SHARED $<TARGET_OBJECTS:hone_objects>)
set_target_properties(hone_shared PROPERTIES OUTPUT_NAME hone EXPORT_NAME hone
                      VERSION ${PROJECT_VERSION} SOVERSION ${HONE_SOVERSION})
target_link_libraries(hone_shared PRIVATE ${HONE_LIBS})
target_include_directories(hone_shared INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(whole ${CMAKE_BINARY_DIR}/hone_whole.o)
add_custom_command(OUTPUT ${whole} DEPENDS hone_objects $<TARGET_OBJECTS:hone_objects>
  COMMAND ${CMAKE_LINKER} -r -o ${whole} $<TARGET_OBJECTS:hone_objects>
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${whole}
  COMMAND_EXPAND_LISTS VERBATIM)
add_library(hone_static STATIC ${whole})
set_source_files_properties(${whole} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
set_target_properties(hone_static PROPERTIES OUTPUT_NAME hone LINKER_LANGUAGE C)
target_link_libraries(hone_static INTERFACE ${HONE_LIBS})
target_include_directories(hone_static INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS hone RUNTIME)
install(TARGETS hone_shared hone_static EXPORT hone-targets)
install(DIRECTORY include/hone DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
install(EXPORT hone-targets NAMESPACE hone:: DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/hone-config-version.cmake
                                 COMPATIBILITY ${HONE_COMPATIBILITY})
install(FILES tool/hone-config.cmake ${CMAKE_BINARY_DIR}/hone-config-version.cmake DESTINATION ${package})

# These name the prefix, which is known only at installation.
install(CODE "
set(PROJECT_VERSION ${PROJECT_VERSION})
set(CMAKE_INSTALL_FULL_LIBDIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR})
set(CMAKE_INSTALL_FULL_INCLUDEDIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_INCLUDEDIR})
set(root \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
configure_file(${CMAKE_SOURCE_DIR}/tool/hone.pc.in
               \"\${root}/${CMAKE_INSTALL_LIBDIR}/pkgconfig/hone.pc\" @ONLY)
file(GLOB verbs ${CMAKE_SOURCE_DIR}/src/cmd/*.c)
set(man \"\${root}/share/man/man1\")
file(MAKE_DIRECTORY \"\${man}\")
execute_process(COMMAND ${CMAKE_BINARY_DIR}/hone help --man OUTPUT_FILE \"\${man}/hone.1\")
foreach(verb IN LISTS verbs)
  get_filename_component(verb \${verb} NAME_WE)
  string(REPLACE \"_\" \";\" words \${verb})
  string(REPLACE \"_\" \"-\" verb \${verb})
  execute_process(COMMAND ${CMAKE_BINARY_DIR}/hone help --man \${words} OUTPUT_FILE \"\${man}/hone-\${verb}.1\")
endforeach()
set(bash bash-completion/completions/hone)
set(zsh zsh/site-functions/_hone)
set(fish fish/vendor_completions.d/hone.fish)
foreach(shell bash zsh fish)
  get_filename_component(folder \"\${root}/share/\${\${shell}}\" DIRECTORY)
  file(MAKE_DIRECTORY \"\${folder}\")
  execute_process(COMMAND ${CMAKE_BINARY_DIR}/hone help --completion \${shell}
                  OUTPUT_FILE \"\${root}/share/\${\${shell}}\")
endforeach()
")
