/* The rules of ../consensus.md by name; a planted weakening is -DRULE=0. */
#ifndef R1
#define R1 1
#endif
#ifndef R2
#define R2 1
#endif
#ifndef R3
#define R3 1
#endif
#ifndef R4
#define R4 1
#endif
#ifndef R5
#define R5 1
#endif
#ifndef R7
#define R7 1
#endif
#ifndef V4
#define V4 1
#endif
#ifndef V4m
#define V4m 1
#endif
#ifndef V4e
#define V4e 1
#endif
#ifndef SILENCE
#define SILENCE 1
#endif
#ifndef FLOOR
#define FLOOR 1
#endif
#ifndef HIGHQC
#define HIGHQC 1
#endif
