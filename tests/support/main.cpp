#include <caf/init_global_meta_objects.hpp>

#include <catch2/catch_session.hpp>

int main(int argc, char** argv) {
  caf::core::init_global_meta_objects();
  return Catch::Session().run(argc, argv);
}
