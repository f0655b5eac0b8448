#include "host/base/option_text.h"

#include <gmock/gmock.h>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

OptionText options(std::string_view text) { return {"device x", split(text, '&'), "; see y"}; }

TEST(OptionText, gives_each_option_in_its_type) {
  OptionText text = options("name=board&clock=1.5e8&base=0x1000");
  EXPECT_EQ(text.text("name"), "board");
  EXPECT_EQ(text.number("clock", 1, 1e11), 1.5e8);
  EXPECT_EQ(text.integer("base", 0, 1 << 20), 4096U);
  EXPECT_EQ(text.integer("burst", 1, 255), std::nullopt);
  text.refuse_rest();
}

TEST(OptionText, refuses_what_nobody_took_and_lists_what_is_known) {
  OptionText text = options("name=board&colour=red");
  (void)text.text("name");
  (void)text.integer("burst", 1, 255);
  EXPECT_THAT(
      [&] { text.refuse_rest(); },
      ThrowsMessage<InputError>("device x: 'colour=' is not known here; known are burst, name; see y"));
}

TEST(OptionText, refuses_items_that_are_no_options) {
  for (const char* text : {"name", "name=", "=board", "", "name=board&"}) {
    EXPECT_THAT([&] { options(text); },
                ThrowsMessage<InputError>(HasSubstr("is not of the form option=value")))
        << text;
  }
  EXPECT_THAT([] { options("name=a&name=b"); }, ThrowsMessage<InputError>(HasSubstr("name is given twice")));
}

TEST(OptionText, refuses_numbers_out_of_range_or_with_something_behind) {
  for (const char* text : {"n=0", "n=256", "n=1x", "n=-1", "n=0x", "n=18446744073709551616"}) {
    EXPECT_THAT([&] { options(text).integer("n", 1, 255); },
                ThrowsMessage<InputError>(HasSubstr("is no whole number from 1 to 255")))
        << text;
  }
  for (const char* text : {"n=0.5", "n=nan", "n=3s"}) {
    EXPECT_THAT([&] { options(text).number("n", 1, 2, "seconds"); },
                ThrowsMessage<InputError>(HasSubstr("is no number of seconds from 1 to 2")))
        << text;
  }
}

}  // namespace
}  // namespace bitloop::host
