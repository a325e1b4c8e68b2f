/* mute.h: says nothing about threads. */
