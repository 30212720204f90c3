// Reads safetensors files and writes what it read: for compare_safetensors.py. Every line of the input names a file and
// a new one; the answer is "read", or "refused: " and why.
#include <iostream>
#include <string>

#include <unroll/core/error.h>
#include <unroll/io/safetensors.h>

int main() {
  for (std::string from, to; std::getline(std::cin, from) && std::getline(std::cin, to);) {
    try {
      unroll::write_safetensors(to, unroll::read_safetensors(from));
      std::cout << "read\n";
    } catch (const unroll::FileError& error) {
      std::string why = error.what();
      for (char& c : why) {
        if (c == '\n') c = ' ';
      }
      std::cout << "refused: " << why << '\n';
    }
  }
}
