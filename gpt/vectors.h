/* Vectors of numbers, as compilers offer them for every processor. */

#ifndef VECTORS_H
#define VECTORS_H

/* So many float32 numbers the processor at hand takes at once. */
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define VECTOR_OF(type, lanes) type __attribute__((vector_size((lanes) * sizeof(type)), aligned(sizeof(type)), may_alias))

#endif
