/* See /home/somebody/notes for more. */
