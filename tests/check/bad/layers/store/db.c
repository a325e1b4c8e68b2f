#include "raft/group.h"
