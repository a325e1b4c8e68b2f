/* A banned call. */
void copy(char *to, const char *from)
{
    strcpy(to, from);
}
