#include <cstring>

#include <unroll/core/named.h>

namespace unroll::detail {

constinit thread_local InnerRecorder* InnerRecorder::current_ = nullptr;

/// Where the values of a name go. The same name at another place of the program is another value.
const Array& InnerRecorder::place(const char* name, const std::source_location& where) {
  for (const InnerValue& value : values_) {
    if (value.where.line() == where.line() && value.where.column() == where.column() &&
        std::strcmp(value.name, name) == 0)
      return value.value;
  }
  return values_.emplace_back(InnerValue{name, where, Array::zeros(shape_, dtype_)}).value;
}

}  // namespace unroll::detail
