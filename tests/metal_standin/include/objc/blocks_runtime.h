/* GNUstep's headers ask for the blocks runtime under this name; Debian's libblocksruntime has it under another. */
#include <Block.h>
