#ifndef NUMBERS_H
#define NUMBERS_H
#define ONE 1
#endif
