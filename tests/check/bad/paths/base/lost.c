/* See /work/notes for more. */
