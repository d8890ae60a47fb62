// The host compiles this once for each choice of types, with these macros (float without them):
//   LEFT, RIGHT, RESULT    elements of the operands and of the result
//   SUM                    type in which sums are made
//   BLOCK_COLUMNS, BLOCK_DEPTH   shape of a block; 32 x (BLOCK_COLUMNS + 1) x BLOCK_DEPTH sums fit into 32 KiB
#include "matmul.h"

#ifndef SUM  // on its own, for tools
#define LEFT float
#define RIGHT float
#define RESULT float
#define SUM float
#define BLOCK_COLUMNS 2
#define BLOCK_DEPTH 64
#endif

namespace metalpy {

#define TILES product_tiles<false, LEFT, RIGHT, RESULT, SUM, 6, BLOCK_COLUMNS, BLOCK_DEPTH>
#define TRANSPOSED_TILES product_tiles<true, LEFT, RIGHT, RESULT, SUM, 6, BLOCK_COLUMNS, BLOCK_DEPTH>
#define LONG_SUMS long_sums<LEFT, RIGHT, RESULT, SUM>
#define SHORT_SUMS short_sums<LEFT, RIGHT, RESULT, SUM>

template [[host_name("tiles")]] kernel decltype(TILES) TILES;
template [[host_name("tiles_transposed")]] kernel decltype(TRANSPOSED_TILES) TRANSPOSED_TILES;
template [[host_name("long_sums")]] kernel decltype(LONG_SUMS) LONG_SUMS;
template [[host_name("short_sums")]] kernel decltype(SHORT_SUMS) SHORT_SUMS;

}  // namespace metalpy
