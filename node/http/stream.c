#include "node/http/stream.h"
