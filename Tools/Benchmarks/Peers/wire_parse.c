// The same C, built by gcc.
#include "../CBench/wire_parse.c"
