// All cells.
#pragma once

#include <unroll/layers/cells/gru.h>
#include <unroll/layers/cells/lstm.h>
#include <unroll/layers/cells/peephole_lstm.h>
#include <unroll/layers/cells/rnn.h>
