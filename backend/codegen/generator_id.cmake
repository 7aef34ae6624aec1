# cmake -DOUT=FILE -P generator_id.cmake SOURCE...: writes one hash of all sources, as a C++ string.
set(hashes "")
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE 4 ${last})
  file(SHA256 ${CMAKE_ARGV${i}} hash)
  string(APPEND hashes ${hash})
endforeach()
string(SHA256 id "${hashes}")
file(WRITE ${OUT} "\"${id}\"\n")
