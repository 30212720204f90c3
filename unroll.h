// unroll: recurrent networks on a reverse-mode tape. This header is all of it.
#pragma once

#include <unroll/core/gradcheck.h>
#include <unroll/core/map_fields.h>
#include <unroll/core/ops.h>
#include <unroll/core/threads.h>
#include <unroll/data/batches.h>
#include <unroll/data/csv.h>
#include <unroll/data/split.h>
#include <unroll/data/text.h>
#include <unroll/data/vocab.h>
#include <unroll/io/checkpoint.h>
#include <unroll/io/safetensors.h>
#include <unroll/layers/bidirectional.h>
#include <unroll/layers/cells.h>
#include <unroll/layers/dropout.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/scan.h>
#include <unroll/layers/stack.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/optimizer.h>
#include <unroll/optim/schedule.h>
#include <unroll/report/metrics.h>
#include <unroll/report/progress.h>
#include <unroll/report/table.h>
