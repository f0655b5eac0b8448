#include "agent/run/run_folder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "agent/run/files.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

namespace fs = std::filesystem;

SearchConfig strange_config() {
  SearchConfig c;
  c.task.data = "mnist:/data/with \"quotes\" and\\slashes";
  c.task.model = "/networks/own net.onnx";
  c.source = "/elsewhere/own net.onnx";
  c.space = {.rules = "ends8", .group = "stage", .widths = {2, 4, 8}, .pinned = {"conv1", "fc3"}};
  c.task.input = host::Shape{3, 64, 48};
  c.task.outputs = {"logits", "/heads/Conv \"2\""};
  c.task.mean = {0.1F, 1.0F / 3, 0.5F};
  c.task.deviation = {0.25F, 0.2F, 0.3F};
  c.task.reward_from_test = true;
  c.task.augmentation = "shift=2,mirror";
  c.retraining.quantizer = "dorefa";
  c.retraining.distillation = 0.75;
  c.retraining.augment = true;
  c.budget = "900000cycles";
  c.objective = "cycles";
  c.drop = 0.1 + 0.2;
  c.evaluations = 100;
  c.planned = 60;
  c.seed = 9223372036854775807U;
  c.accuracy_limit = 0.875;
  c.lines = {};
  c.reward_images = 1000;
  c.retraining.learning_rate = 1.0 / 3;
  c.retraining.learning_rate_decay = 0.8;
  c.final_retraining.epochs = 17;
  c.version = "0.1.0";
  c.fingerprint = "0123abcd";
  return c;
}

TEST(SearchConfig, comes_back_from_its_file_exactly) {
  const test::TemporaryFolder folder;
  const SearchConfig c = strange_config();
  save_config(c, folder.path / "config.toml");
  const SearchConfig d = load_config(folder.path / "config.toml");
  EXPECT_EQ(d.task, c.task);
  EXPECT_EQ(d.retraining.quantizer, c.retraining.quantizer);
  EXPECT_EQ(d.retraining.distillation, c.retraining.distillation);
  EXPECT_EQ(d.retraining.augment, c.retraining.augment);
  EXPECT_EQ(d.budget, c.budget);
  EXPECT_EQ(d.seed, c.seed);
  EXPECT_EQ(d.accuracy_limit, c.accuracy_limit);
  EXPECT_EQ(d.source, c.source);
  EXPECT_EQ(d.space, c.space);
  EXPECT_EQ(d.objective, c.objective);
  EXPECT_EQ(d.drop, c.drop);
  EXPECT_EQ(d.accuracy_floor, c.accuracy_floor);
  EXPECT_EQ(d.evaluations, c.evaluations);
  EXPECT_EQ(d.planned, c.planned);
  EXPECT_EQ(d.lines, c.lines);
  EXPECT_EQ(d.reward_images, c.reward_images);
  EXPECT_EQ(d.retraining.learning_rate, c.retraining.learning_rate);
  EXPECT_EQ(d.retraining.learning_rate_decay, c.retraining.learning_rate_decay);
  EXPECT_EQ(d.final_retraining.learning_rate_decay, 0);
  EXPECT_EQ(d.final_retraining.epochs, c.final_retraining.epochs);
  EXPECT_EQ(d.fingerprint, c.fingerprint);
}

TEST(SearchConfig, a_damaged_file_is_bad_input_that_names_it) {
  const test::TemporaryFolder folder;
  for (const char* text : {"not = [toml", "[task]\nmodel = 3\n", ""}) {
    host::write_file_atomically(folder.path / "config.toml", text);
    try {
      (void)load_config(folder.path / "config.toml");
      FAIL() << text;
    } catch (const InputError& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr("config.toml"));
    }
  }
}

TEST(SearchConfig, a_value_of_another_type_is_bad_input_that_names_it) {
  const test::TemporaryFolder folder;
  const fs::path file = folder.path / "config.toml";
  save_config(strange_config(), file);
  std::string text = read_file(file);
  const auto at = text.find("accuracy_limit = 0.875");
  ASSERT_NE(at, std::string::npos) << text;
  host::write_file_atomically(file, text.replace(at, 22, "accuracy_limit = 'high'"));
  try {
    (void)load_config(file);
    FAIL() << "a limit that is no number was taken";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("accuracy_limit"));
  }
}

TEST(SearchConfig, of_a_run_from_before_an_option_has_its_default) {
  const test::TemporaryFolder folder;
  const fs::path file = folder.path / "config.toml";
  save_config(strange_config(), file);
  std::string text = read_file(file);
  for (const char* option : {"sensitivities", "learning_rate_decay = 0.8"}) {
    const std::size_t key = text.find(option);
    ASSERT_NE(key, std::string::npos) << option;
    text.erase(key, text.find('\n', key) - key);
  }
  host::write_file_atomically(file, text);
  EXPECT_EQ(load_config(file).sensitivities, SearchConfig{}.sensitivities);
  EXPECT_EQ(load_config(file).retraining.learning_rate_decay, 0);
}

/// A configuration whose network is a small file.
SearchConfig with_network(const fs::path& folder) {
  const fs::path file = folder / "own net.onnx";
  std::ofstream(file) << std::string("\x3a\x00", 2);  // a model with an empty graph
  std::ofstream(folder / "classes.txt") << "cat\ndog\n";
  SearchConfig c;
  c.task.model = file.string();
  c.task.class_names = (folder / "classes.txt").string();
  return c;
}

TEST(RunFolder, refuses_a_folder_that_holds_a_run_or_strange_files) {
  const test::TemporaryFolder folder;
  const RunFolder run(folder.path / "run");
  EXPECT_NO_THROW(run.check_free());
  EXPECT_FALSE(fs::exists(run.path()));
  run.create(with_network(folder.path));
  EXPECT_TRUE(run.holds_run());
  EXPECT_THROW(run.check_free(), InputError);

  std::ofstream(folder.path / "notes.txt") << "mine";
  EXPECT_THROW(RunFolder(folder.path).check_free(), InputError);
  EXPECT_THROW(RunFolder(folder.path / "notes.txt").check_free(), InputError);
}

TEST(RunFolder, holds_its_network_and_can_be_moved) {
  const test::TemporaryFolder folder;
  const RunFolder run(folder.path / "run");
  run.create(with_network(folder.path));
  fs::rename(run.path(), folder.path / "moved");
  const SearchConfig c = load_config(RunFolder(folder.path / "moved").config());
  EXPECT_EQ(c.source, (folder.path / "own net.onnx").string());
  EXPECT_EQ(c.task.model, (folder.path / "moved" / "source" / "own net.onnx").string());
  EXPECT_EQ(c.task.class_names, (folder.path / "moved" / "source" / "classes.txt").string());
  EXPECT_EQ(read_file(c.task.class_names), "cat\ndog\n");
  EXPECT_TRUE(fs::exists(c.task.model));
}

TEST(RunFolder, that_goes_on_to_more_evaluations_is_not_finished_and_says_so) {
  const test::TemporaryFolder folder;
  const RunFolder run(folder.path / "run");
  run.create(with_network(folder.path));
  host::write_file_atomically(run.summary(), "{}");
  run.extend(100, 7);
  EXPECT_FALSE(fs::exists(run.summary()));
  const SearchConfig c = load_config(run.config());
  EXPECT_EQ(c.evaluations, 100);
  EXPECT_EQ(c.episodes, 7);
  EXPECT_EQ(c.planned, SearchConfig{}.planned);
  EXPECT_THAT(read_file(run.config()), ::testing::HasSubstr("'source/own net.onnx'"));
}

TEST(RunFolder, a_folder_left_by_a_kill_at_the_very_start_is_free) {
  const test::TemporaryFolder folder;
  fs::create_directories(folder.path / "lines");
  std::ofstream(folder.path / "config.toml.2147483647.tmp") << "half";
  EXPECT_NO_THROW(RunFolder(folder.path).check_free());
}

TEST(RunFolder, removes_temporaries_of_dead_processes_only) {
  const test::TemporaryFolder folder;
  const fs::path dead = folder.path / "checkpoint.pt.2147483647.tmp";  // above every process number of Linux
  const fs::path alive = folder.path / fmt::format("quantized.bin.{}.tmp", getppid());
  const fs::path own = folder.path / "notes.tmp";
  for (const auto& file : {dead, alive, own}) std::ofstream(file) << "half";
  RunFolder(folder.path).remove_stale_temporaries();
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
  EXPECT_TRUE(fs::exists(own));
}

TEST(RunFolder, only_a_finished_run_can_be_used) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(open_finished_run(folder.path / "none"), InputError);
  const RunFolder run(folder.path / "run");
  run.create(with_network(folder.path));
  EXPECT_THROW(open_finished_run(run.path()), InputError);
  host::write_file_atomically(run.quantized(), "integers");
  EXPECT_THROW(open_finished_run(run.path()), InputError) << "the summary is written last";
  host::write_file_atomically(run.summary(), "{}");
  EXPECT_NO_THROW(open_finished_run(run.path()));
}

TEST(LineFile, a_full_disk_keeps_the_lines_before_and_can_go_on) {
  const test::TemporaryFolder folder;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  {
    LineFile file(folder.path / "file");
    file.append("one\n");
    const rlimit full{.rlim_cur = 6, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    EXPECT_THROW(file.append("two\n"), Error);
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(read_file(folder.path / "file"), "one\n");
    file.append("two\n");
  }
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_file(folder.path / "file"), "one\ntwo\n");
}

TEST(LineFile, cuts_a_torn_last_line) {
  const test::TemporaryFolder folder;
  std::ofstream(folder.path / "file") << "one\ntwo\nthr";
  LineFile(folder.path / "file").append("three\n");
  EXPECT_EQ(read_file(folder.path / "file"), "one\ntwo\nthree\n");
}

}  // namespace
}  // namespace bitloop::agent
