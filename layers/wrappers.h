// All wrappers: cells made of any other cell. They nest, and run wherever a cell does.
#pragma once

#include <unroll/layers/wrappers/projected.h>
#include <unroll/layers/wrappers/reset_where.h>
#include <unroll/layers/wrappers/residual.h>
#include <unroll/layers/wrappers/variational_dropout.h>
#include <unroll/layers/wrappers/weight_drop.h>
#include <unroll/layers/wrappers/zoneout.h>
