/* CLIENT is the folder where `make` has put the scripts together. */
#include "server/scripts.h"

#define SCRIPT(name, file)                                              \
	__asm__(".pushsection .rodata\n"                                 \
		".global " #name "\n" #name ":\n"                         \
		".incbin \"" CLIENT "/" file "\"\n.byte 0\n.popsection\n")

SCRIPT(script_gdb, "tracestub-gdb.py");
SCRIPT(script_lldb, "tracestub_lldb.py");
