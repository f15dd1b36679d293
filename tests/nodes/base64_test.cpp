#include "nodes/base64.hpp"

#include <catch2/catch_test_macros.hpp>

using millrace::from_base64;
using millrace::to_base64;

TEST_CASE("base64 gives its bytes back") {
  CHECK(from_base64("") == "");
  CHECK(from_base64("Zg==") == "f");
  CHECK(from_base64("Zm8=") == "fo");
  CHECK(from_base64("Zm9v") == "foo");
  CHECK(from_base64("Zm9vYmE=") == "fooba");
  CHECK(from_base64("AP8K+/==") == std::string{"\0\xff\n\xfb", 4});
}

TEST_CASE("what is not base64 with its padding gives nothing") {
  for (auto text : {"Z", "Zg", "Zm8", "=", "====", "Z===", "Zm=v", "Z=8=",
                    " Zm9", "    Zm9v", "Zm9v\n", "Zm9\n", "!!!!", "Zm9-"})
    CHECK_FALSE(from_base64(text));
}

TEST_CASE("bytes of any length become base64 and come back") {
  CHECK(to_base64("") == "");
  CHECK(to_base64("f") == "Zg==");
  CHECK(to_base64("foo") == "Zm9v");
  CHECK(to_base64(std::string{"\0\xff\n\xfb", 4}) == "AP8K+w==");
  // Longer than what is encoded at a time.
  std::string longest(10 << 20, 'x');
  CHECK(from_base64(to_base64(longest)) == longest);
}
