/* Segments of notes of ELF files: elf(5), "Notes". */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_MAX 64

/*
 * The build ID among them, which the linker makes (ld(1), --build-id): the same
 * in every copy of a file, and in no other. Returns where it lies in notes and
 * sets *n, which is BUILD_ID_MAX at most; NULL when there is none. The notes
 * may be cut off anywhere, and say anything.
 */
const uint8_t *note_build_id(const uint8_t *notes, size_t len, size_t *n);

#endif
