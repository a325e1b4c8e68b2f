/* main.c: choreo, the command line of developers, platform engineers and operators. */
#include "cli/commands.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
