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

#define TILES(name, transposed)                                                                                      \
  template [[host_name(name)]] kernel void                                                                           \
  metalpy::product_tiles<transposed, LEFT, RIGHT, RESULT, SUM, 6, BLOCK_COLUMNS, BLOCK_DEPTH>(                       \
      device RESULT*, const device LEFT*, const device RIGHT*, device SUM*, constant metalpy::Product&, uint3, uint);
TILES("tiles", false)
TILES("tiles_transposed", true)
template [[host_name("long_sums")]] kernel void metalpy::long_sums<LEFT, RIGHT, RESULT, SUM>(
    device RESULT*, const device LEFT*, const device RIGHT*, constant metalpy::Product&, constant uint&, uint, uint, uint);
template [[host_name("short_sums")]] kernel void metalpy::short_sums<LEFT, RIGHT, RESULT, SUM>(
    device RESULT*, const device LEFT*, const device RIGHT*, constant metalpy::Product&, constant uint&, uint);
