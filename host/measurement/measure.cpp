#include "host/measurement/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <numeric>
#include <thread>
#include <unordered_set>
#include <utility>
#include <variant>

#include "host/base/error.h"
#include "host/base/integers.h"
#include "host/base/parallel.h"
#include "host/compiler/constants.h"
#include "host/compiler/segment_program.h"
#include "host/measurement/roofline.h"

namespace bitloop::host {
namespace {

constexpr std::uint64_t kSeed = 1;

/// What a job counts outside its records.
Counters end_of(const Measurement& measurement) {
  Counters sum{};
  for (const Counters& segment : measurement.segments) add_to(sum, segment);
  Counters end{};
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (sum[i] > measurement.total[i]) {
      throw DeviceError(fmt::format("counter {} of the segments' records exceeds the job's: {} and {}", i,
                                    sum[i], measurement.total[i]));
    }
    end[i] = measurement.total[i] - sum[i];
  }
  return end;
}

Address pages(Address bytes) { return round_up(bytes, kPageBytes); }

/// Room for one operand or result, at `offset`; returns the offset after it.
Address give_room(Place& place, int height, int width, Address offset) {
  place.offset = offset;
  if (place.grid) {
    height = place.grid->first_row + height * place.grid->step.y;
    width = place.grid->width;
  }
  const int words = std::max(place.words, 1);
  return offset + pages(kWordBytes * static_cast<Address>(height) * static_cast<Address>(width) *
                        static_cast<Address>(words));
}

/// All of a segment's job that its cycles depend on. Segments of different keys may have it in common: a
/// depthwise layer's weights, for one, are bytes whatever their width.
Sha256 instructions_key(const Job& job) {
  const Address offsets[] = {job.bytes, job.descriptors, job.records};
  std::vector<std::byte> bytes = job.blocks.front().bytes;
  const auto all = std::as_bytes(std::span(offsets));
  bytes.insert(bytes.end(), all.begin(), all.end());
  return sha256(bytes);
}

/// Jobs under way or done, those of the same instructions once.
struct SegmentRun {
  std::size_t owner = 0;           ///< the segment that it runs for
  std::vector<std::size_t> twins;  ///< those that wait for it
  std::optional<Counters> counters;
};

}  // namespace

void add_to(Counters& sum, const Counters& counters) {
  for (std::size_t i = 0; i < kCounters; ++i) sum[i] += counters[i];
}

Measurement run_job(Driver& driver, std::shared_ptr<const Job> job, const Driver::Progress& progress) {
  const unsigned mask = job->input_bits == 0 ? 255 : (1u << job->input_bits) - 1;
  const auto images = static_cast<std::size_t>(job->images);
  std::vector<std::uint8_t> input(images * static_cast<std::size_t>(job->image_shape.elements()));
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::uint8_t>((i * 37 + 1) & mask);
  driver.load(std::move(job));
  return driver.run(input, Driver::kDefaultLimit, progress);
}

Job segment_job(Segment segment, const SegmentPlan& plan, const HardwareInfo& hardware, bool first) {
  const WindowOp& op = segment.op;
  Job job = empty_job(segment.name, hardware, op.packing.has_value());
  Address end = kPageBytes;  // the job's own input comes first: a byte that nobody reads
  if (op.packing) {
    segment.input.offset = end;
    end += pages(static_cast<Address>(op.packing->image.elements()));
  } else {
    end = give_room(segment.input, op.input_height, op.input_width, end);
  }
  if (segment.second) end = give_room(*segment.second, op.output_height, op.output_width, end);
  for (int i = 0; i < segment.result_count(); ++i) {
    const Extent extent = segment.extent(i);
    end = give_room(segment.results[static_cast<std::size_t>(i)], extent.height * op.repeat.y,
                    extent.width * op.repeat.x, end);
  }
  segment.weights = end;
  segment.parameters = end + pages(weight_size(segment, plan, hardware.filters));
  end = segment.parameters + pages(parameter_size(segment, hardware.filters));
  job.records = end;
  job.descriptors = end + kPageBytes;
  std::vector<std::byte> bytes;
  if (!first) {
    bytes = segment_descriptors({}, job.descriptors, job.records, false);
    job.segments.emplace_back("none");
  }
  job.segments.push_back(segment.name);
  const auto chain =
      segment_descriptors(schedule_segment(segment, plan, hardware), job.descriptors + bytes.size(),
                          job.records + (first ? 0 : kRecordBytes), true);
  bytes.insert(bytes.end(), chain.begin(), chain.end());
  job.bytes = job.descriptors + pages(bytes.size());
  if (job.bytes > kLargestJob)
    throw InputError(fmt::format("layer {}: it takes more than 4 GB", segment.name));
  job.blocks.push_back({job.descriptors, std::move(bytes)});
  return job;
}

SegmentMeter::SegmentMeter(std::shared_ptr<DevicePool> devices, MeasurementStore* store)
    : devices_(std::move(devices)), store_(store) {}

/// Memory first: reading the store's rows costs more than a search has time for.
std::optional<Counters> SegmentMeter::find(const std::string& text, const SegmentKey& key) {
  if (store_ == nullptr) return std::nullopt;
  auto found = store_->find(key);
  if (found) known_.emplace(text, *found);
  return found;
}

Counters SegmentMeter::end() {
  const std::string text = "end";
  if (const auto known = known_.find(text); known != known_.end()) return known->second;
  const SegmentKey key = end_key(hardware().fingerprint);
  if (const auto found = find(text, key)) return *found;
  Job job = empty_job("none", hardware(), false);
  job.records = kPageBytes;
  job.descriptors = 2 * kPageBytes;
  job.bytes = 3 * kPageBytes;
  job.segments = {"none"};
  job.blocks.push_back({job.descriptors, segment_descriptors({}, job.descriptors, job.records, true)});
  const auto shared = std::make_shared<const Job>(std::move(job));
  Counters counters{};
  devices_->admit();
  devices_->run([&](Driver& driver) { counters = end_of(run_job(driver, shared)); });
  remember(text, key, counters);
  return counters;
}

/// Kept at once, so that a run that is cut off has lost nothing; but only where counts repeat.
void SegmentMeter::remember(const std::string& text, const SegmentKey& key, const Counters& counters) {
  if (!hardware().repeatable) return;
  known_.emplace(text, counters);
  if (store_ != nullptr) store_->add(std::vector<MeasurementStore::Entry>{{key, counters}});
}

/// Texts that have no plan yet and are not refused; on all cores, as it takes a millisecond for each.
void SegmentMeter::plan(std::span<const std::pair<std::string, const Segment*>> segments) {
  const HardwareInfo& on = hardware();
  std::vector<std::variant<SegmentPlan, std::string>> outcomes(segments.size());
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  parallel_for(static_cast<int>(segments.size()), cores, [&](int item, int /*worker*/) {
    const auto i = static_cast<std::size_t>(item);
    try {
      outcomes[i] = plan_segment(*segments[i].second, on);
    } catch (const InputError& error) {
      outcomes[i] = std::string(error.what());
    }
  });
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string& text = segments[i].first;
    if (const auto* why = std::get_if<std::string>(&outcomes[i])) {
      refused_.emplace(text, *why);
    } else {
      plans_.emplace(text, std::move(std::get<SegmentPlan>(outcomes[i])));
    }
  }
}

std::vector<std::string> SegmentMeter::refusals(std::span<const Request> requests) {
  std::vector<std::string> texts;
  std::vector<std::pair<std::string, const Segment*>> unplanned;
  std::unordered_set<std::string> asked;
  for (const Request& request : requests) {
    const std::string& text = texts.emplace_back(key_text(*request.segment, request.first));
    if (known_.contains(text) || plans_.contains(text) || refused_.contains(text) ||
        !asked.insert(text).second || find(text, segment_key(text, hardware().fingerprint))) {
      continue;
    }
    unplanned.emplace_back(text, request.segment);
  }
  plan(unplanned);
  std::vector<std::string> refusals;
  for (const std::string& text : texts) {
    const auto refused = refused_.find(text);
    refusals.push_back(refused != refused_.end() ? refused->second : "");
  }
  return refusals;
}

SegmentMeter::Result SegmentMeter::measure(std::span<const Request> requests, const Progress& progress) {
  Result result;
  result.end = end();
  result.counters.resize(requests.size());
  struct Unknown {
    std::string text;
    SegmentKey key{};
    std::vector<std::size_t> requests;
    SegmentPlan plan;
  };
  std::vector<Unknown> unknown;
  std::vector<std::pair<std::string, const Segment*>> unplanned;
  std::unordered_map<std::string, std::size_t> asked;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    std::string text = key_text(*requests[i].segment, requests[i].first);
    if (const auto refused = refused_.find(text); refused != refused_.end())
      throw TooSmall(refused->second, i);
    if (const auto known = known_.find(text); known != known_.end()) {
      result.counters[i] = known->second;
      continue;
    }
    if (const auto twin = asked.find(text); twin != asked.end()) {
      unknown[twin->second].requests.push_back(i);
      continue;
    }
    const SegmentKey key = segment_key(text, hardware().fingerprint);
    if (const auto found = find(text, key)) {
      result.counters[i] = *found;
      continue;
    }
    if (!plans_.contains(text)) unplanned.emplace_back(text, requests[i].segment);
    asked.emplace(text, unknown.size());
    unknown.push_back({std::move(text), key, {i}, {}});
  }
  plan(unplanned);
  for (const Unknown& segment : unknown) {  // before anything runs
    if (const auto refused = refused_.find(segment.text); refused != refused_.end())
      throw TooSmall(refused->second, segment.requests.front());
  }
  for (Unknown& segment : unknown) segment.plan = std::move(plans_.extract(segment.text).mapped());
  // The longest first, so that all devices end at about the same time.
  std::ranges::stable_sort(unknown, std::greater{}, [&](const Unknown& segment) {
    return roofline(*requests[segment.requests.front()].segment, hardware()).cycles();
  });
  if (!unknown.empty()) devices_->admit();
  std::mutex mutex;
  std::vector<double> done(unknown.size());  // of each segment, 0..1
  const auto tell = [&](std::size_t i, double part) {
    done[i] = part;
    if (progress) progress(std::accumulate(done.begin(), done.end(), 0.0), unknown.size());
  };
  const auto settle = [&](std::size_t i, const Counters& counters) {
    for (const std::size_t r : unknown[i].requests) result.counters[r] = counters;
    remember(unknown[i].text, unknown[i].key, counters);
    tell(i, 1);
  };
  std::unordered_map<Sha256, SegmentRun, SegmentKeyHash> runs;
  devices_->for_each(unknown.size(), [&](Driver& driver, std::size_t i) {
    const Request& request = requests[unknown[i].requests.front()];
    const auto job = std::make_shared<const Job>(
        segment_job(*request.segment, unknown[i].plan, hardware(), request.first));
    const Sha256 key = instructions_key(*job);
    {
      const std::lock_guard lock(mutex);
      SegmentRun& run = runs.try_emplace(key, SegmentRun{i, {}, {}}).first->second;
      if (run.counters) return settle(i, *run.counters);
      if (run.owner != i) return run.twins.push_back(i);  // the owner may be here again, on another device
    }
    const Measurement measurement = run_job(driver, job, [&](double part) {
      const std::lock_guard lock(mutex);
      tell(i, part);
    });
    const std::lock_guard lock(mutex);
    SegmentRun& run = runs.at(key);
    run.counters = measurement.segments.back();
    settle(i, *run.counters);
    for (const std::size_t twin : run.twins) settle(twin, *run.counters);
  });
  result.measured = runs.size();
  return result;
}

std::string segment_name(const Network& network, const Segment& segment) {
  std::string name = segment.name;
  for (std::size_t i = 1; i < segment.layers.size(); ++i) {
    name += "+" + network.layers[static_cast<std::size_t>(segment.layers[i])].name;
  }
  return name;
}

std::vector<std::string> segment_names(const Network& network, std::span<const Segment> segments) {
  std::vector<std::string> names;
  std::unordered_map<std::string, int> times;
  for (const Segment& segment : segments) {
    std::string name = segment_name(network, segment);
    if (const int time = ++times[name]; time > 1) name += fmt::format("#{}", time);
    names.push_back(std::move(name));
  }
  return names;
}

namespace {

/// What runs image by image is one segment, with the sum of its records.
void join_images(MeasuredNetwork& measured, std::vector<Segment> segments,
                 const std::vector<Counters>& counters, int images) {
  measured.images = images;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].original < 0) {
      measured.segments.push_back(std::move(segments[i]));
      measured.counters.push_back(counters[i]);
      measured.runs.push_back(1);
      continue;
    }
    const auto original = static_cast<std::size_t>(segments[i].original);
    add_to(measured.counters[original], counters[i]);
    ++measured.runs[original];
  }
}

MeasuredNetwork measure_plan(SegmentMeter& meter, NetworkPlan plan, const SegmentMeter::Progress& progress,
                             int images) {
  std::vector<SegmentMeter::Request> requests;
  for (const Segment& segment : plan.segments) requests.push_back({&segment, requests.empty()});
  SegmentMeter::Result result = meter.measure(requests, progress);
  MeasuredNetwork measured;
  measured.measured = result.measured;
  measured.total = result.end;
  for (const Counters& counters : result.counters) add_to(measured.total, counters);
  join_images(measured, std::move(plan.segments), result.counters, images);
  return measured;
}

}  // namespace

MeasuredNetwork measure_network(SegmentMeter& meter, const Network& network, const Policy& policy,
                                const SegmentMeter::Progress& progress, int images) {
  CompileOptions options;
  options.images = images;
  NetworkPlan plan = plan_network(network, policy, meter.hardware(), options);
  try {
    return measure_plan(meter, std::move(plan), progress, images);
  } catch (const SegmentMeter::TooSmall&) {  // as compile_network does
    options.separate = true;
    return measure_plan(meter, plan_network(network, policy, meter.hardware(), options), progress, images);
  }
}

MeasuredNetwork run_network(DevicePool& devices, const Network& network, const Policy& policy,
                            const Driver::Progress& progress, int images) {
  CompileOptions options;
  options.images = images;
  CompiledNetwork compiled =
      compile_network(random_quantization(network, policy, kSeed), devices.hardware(), options);
  const auto job = std::make_shared<const Job>(std::move(compiled.job));
  Measurement measurement;
  devices.admit();
  devices.run([&](Driver& driver) { measurement = run_job(driver, job, progress); });
  MeasuredNetwork measured;
  measured.measured = measurement.segments.size();
  measured.total = measurement.total;
  join_images(measured, std::move(compiled.segments), measurement.segments, images);
  return measured;
}

}  // namespace bitloop::host
