#include "quant/data/folder_listing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "host/base/error.h"

namespace bitloop::quant {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxClasses = 65'535;
constexpr std::size_t kTestEvery = 5;
constexpr int kMaxDepth = 16;  ///< of folders within a class's: a link to a folder above would nest for ever
constexpr std::size_t kMaxLine = 4096;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

bool one_of(const std::string& word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

/// Images of other formats are refused: a set that silently lacks some of its images would be another set.
bool is_image(const fs::path& path) {
  constexpr std::array<std::string_view, 7> kRead{".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"};
  constexpr std::array<std::string_view, 6> kOthers{".gif", ".jp2", ".ppm", ".pgm", ".heic", ".avif"};
  const std::string extension = lower(path.extension().string());
  if (one_of(extension, kOthers))
    throw InputError(
        fmt::format("{} is no PNG, JPEG, TIFF, WebP or BMP image: convert or remove it", path.string()));
  return one_of(extension, kRead);
}

/// All but hidden entries of `folder`, by the bytes of their names. A link that leads nowhere is a fault: an
/// image would silently be missing.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::vector<fs::directory_entry> found;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().native().starts_with('.')) continue;
      if (!entry.exists())
        throw InputError(fmt::format("{} is a link to {}, which is not there: mend or remove it",
                                     entry.path().string(), fs::read_symlink(entry.path()).string()));
      found.push_back(entry);
    }
  } catch (const fs::filesystem_error& error) {
    throw InputError(
        fmt::format("cannot list {} ({}): check its permissions", folder.string(), error.code().message()));
  }
  std::ranges::sort(found, {}, [](const auto& entry) -> const std::string& { return entry.path().native(); });
  return found;
}

std::vector<std::string> folder_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries_of(folder))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  return names;
}

void append_images(std::vector<fs::path>& images, const fs::path& folder, int depth) {
  if (depth > kMaxDepth)
    throw InputError(
        fmt::format("{} lies in more than {} folders within a class's: is a link to a folder above?",
                    folder.string(), kMaxDepth));
  for (const fs::directory_entry& entry : entries_of(folder)) {
    if (entry.is_directory()) append_images(images, entry.path(), depth + 1);
    if (entry.is_regular_file() && is_image(entry.path())) images.push_back(entry.path());
  }
}

std::vector<fs::path> images_of(const fs::path& class_folder) {
  std::vector<fs::path> images;
  append_images(images, class_folder, 0);
  if (images.empty())
    throw InputError(fmt::format(
        "class folder {} holds no PNG, JPEG, TIFF, WebP or BMP image: put images there or remove it",
        class_folder.string()));
  return images;
}

std::string first_word(const std::string& line) { return line.substr(0, line.find(' ')); }

/// The label of each class folder. A folder is called as the class, or as its first word where no other class
/// begins so.
class Labels {
 public:
  explicit Labels(std::vector<std::string> classes) : classes_(std::move(classes)) {
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const auto [at, fresh] = labels_.try_emplace(first_word(classes_[i]), i);
      if (!fresh) at->second = {};
    }
    for (std::size_t i = 0; i < classes_.size(); ++i) labels_[classes_[i]] = i;
  }
  [[nodiscard]] std::optional<std::uint16_t> of(const std::string& folder) const {
    const auto at = labels_.find(folder);
    return at == labels_.end() || !at->second ? std::nullopt
                                              : std::optional(static_cast<std::uint16_t>(*at->second));
  }
  [[nodiscard]] const std::vector<std::string>& classes() const { return classes_; }

 private:
  std::vector<std::string> classes_;
  std::map<std::string, std::optional<std::size_t>> labels_;
};

/// Of the folders in `folder`, or of those that the user names.
Labels labels_of(const fs::path& folder, const std::vector<std::string>& class_names) {
  if (!class_names.empty()) return Labels(class_names);
  std::vector<std::string> names = folder_names(folder);
  if (names.size() < 2 || names.size() > kMaxClasses)
    throw InputError(
        fmt::format("{} holds {} class folders: put the images of each class into a folder of its own, "
                    "2 to {} of them",
                    folder.string(), names.size(), kMaxClasses));
  return Labels(std::move(names));
}

/// Calls `take(images, label)` for every class folder; a folder that is no class is refused as `unknown`
/// says.
template <typename Take>
void for_each_class(const fs::path& folder, const Labels& labels, const std::string& unknown,
                    const Take& take) {
  for (const std::string& name : folder_names(folder)) {
    const auto label = labels.of(name);
    if (!label) throw InputError(fmt::format("class folder {} {}", (folder / name).string(), unknown));
    take(images_of(folder / name), *label);
  }
}

constexpr const char* kNotNamed = "is none of the given classes: add it to their file, or remove it";

/// DIR/CLASS/*
FolderListing list_one_tree(const fs::path& folder, const std::vector<std::string>& class_names) {
  const Labels labels = labels_of(folder, class_names);
  FolderListing listing{labels.classes(), {}, {}};
  for_each_class(folder, labels, kNotNamed, [&](const std::vector<fs::path>& images, std::uint16_t label) {
    for (std::size_t i = 0; i < images.size(); ++i)
      (i % kTestEvery == kTestEvery - 1 ? listing.test : listing.training).push_back({images[i], label});
  });
  return listing;
}

/// Which folder holds what: empty where there is none.
struct Roles {
  std::string train, validation, test;
};

Roles roles_in(const fs::path& folder) {
  struct Role {
    std::string Roles::*name;
    std::array<std::string_view, 3> words;
  };
  constexpr std::array<Role, 3> kRoles{Role{&Roles::train, {"train", "training"}},
                                       Role{&Roles::validation, {"val", "valid", "validation"}},
                                       Role{&Roles::test, {"test", "testing"}}};
  Roles roles;
  for (const std::string& name : folder_names(folder)) {
    for (const Role& role : kRoles) {
      if (!one_of(lower(name), role.words)) continue;
      std::string& known = roles.*role.name;
      if (!known.empty())
        throw InputError(
            fmt::format("{} holds {} and {}, which are the same: leave one", folder.string(), known, name));
      known = name;
    }
  }
  return roles;
}

/// DIR/train/CLASS/* and DIR/test/CLASS/*; the test file may lack classes.
FolderListing list_trees(const fs::path& folder, const Roles& roles,
                         const std::vector<std::string>& class_names) {
  const fs::path train = folder / roles.train;
  const Labels labels = labels_of(train, class_names);
  FolderListing listing{labels.classes(), {}, {}};
  const std::string unknown =
      class_names.empty()
          ? fmt::format("has no counterpart in {}: use the same class names in both", train.string())
          : kNotNamed;
  const auto append = [&](std::vector<ImagePath>& to, const std::string& name) {
    for_each_class(folder / name, labels, unknown, [&](const auto& images, std::uint16_t label) {
      for (const fs::path& path : images) to.push_back({path, label});
    });
  };
  append(listing.training, roles.train);
  const bool both = !roles.test.empty() && !roles.validation.empty();
  if (both) append(listing.training, roles.validation);
  append(listing.test, roles.test.empty() ? roles.validation : roles.test);
  return listing;
}

}  // namespace

FolderListing list_image_folder(const fs::path& folder, const std::vector<std::string>& class_names) {
  const Roles roles = roles_in(folder);
  const bool tested = !roles.test.empty() || !roles.validation.empty();
  if (!roles.train.empty() && tested) return list_trees(folder, roles, class_names);
  // A class may be called so; then it holds images.
  for (const std::string& lone : {roles.train, roles.test, roles.validation}) {
    if (!lone.empty() && !folder_names(folder / lone).empty())
      throw InputError(
          fmt::format("{} has {} but no {}: add it, or give the folder that holds the class folders",
                      folder.string(), lone, lone == roles.train ? "test or val" : "train"));
  }
  return list_one_tree(folder, class_names);
}

std::vector<std::string> read_class_names(const fs::path& file) {
  std::ifstream stream(file);
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto fail = [&](const std::string& what) {
    throw InputError(
        fmt::format("{}: {}: give the network's classes in the order of its outputs, one in each line",
                    file.string(), what));
  };
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.size() > kMaxLine)
      fail(fmt::format("line {} is empty or too long", names.size() + 1));
    if (!seen.insert(line).second) fail(fmt::format("'{}' comes twice", line));
    names.push_back(std::move(line));
    if (names.size() > kMaxClasses) fail(fmt::format("more than {} lines", kMaxClasses));
  }
  if (names.size() < 2) fail("cannot be read, or has fewer than two lines");
  return names;
}

}  // namespace bitloop::quant
