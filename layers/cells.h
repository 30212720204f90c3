// All cells.
#pragma once

#include <unroll/layers/cells/coupled_lstm.h>
#include <unroll/layers/cells/gru.h>
#include <unroll/layers/cells/ind_rnn.h>
#include <unroll/layers/cells/layer_norm_lstm.h>
#include <unroll/layers/cells/lstm.h>
#include <unroll/layers/cells/mgu.h>
#include <unroll/layers/cells/min_gru.h>
#include <unroll/layers/cells/peephole_lstm.h>
#include <unroll/layers/cells/projected_lstm.h>
#include <unroll/layers/cells/rnn.h>
