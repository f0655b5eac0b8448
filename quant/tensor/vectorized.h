#pragma once

// Compile a function for several vector units, chosen when the program is loaded: the build is for any
// x86-64. Not where memory is checked: the choice is made before the checker is ready.
//
// BITLOOP_VECTORIZED has no fused multiply-add, so that each element is the same on all machines (sums of
// floats may differ in their last bits: their order does); BITLOOP_VECTORIZED_FUSED has it: for arithmetic
// that is exact, or that only has to be good.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define BITLOOP_VECTORIZED __attribute__((target_clones("avx2", "default")))
#define BITLOOP_VECTORIZED_FUSED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BITLOOP_VECTORIZED
#define BITLOOP_VECTORIZED_FUSED
#endif
