#include "engine/train/divided.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "engine/ops/cast.h"
#include "engine/ops/grad_norm.h"

namespace attune {
namespace {

constexpr std::int64_t kWindow = std::int64_t{1} << 20;  // elements that are exchanged at once
constexpr std::size_t kRound = std::size_t{1} << 22;     // bytes of each process that are exchanged at once

// The exact values of the parts of one rank, one after the other.
class PartsOfRank {
 public:
  PartsOfRank(const Shares& shares, const std::vector<NamedParameter>& parameters, int rank)
      : shares_(shares), parameters_(parameters), rank_(rank) {}

  std::int64_t size() const {
    std::int64_t out = 0;
    for (std::size_t i = 0; i < parameters_.size(); ++i) out += shares_.part(i, rank_).size();
    return out;
  }
  /// Calls visit(values, place) for the next elements, of which `room` are the next ones at most; they have the places
  /// 0, 1, ...
  template <class Visit>
  void next(std::int64_t room, const Visit& visit) {
    for (std::int64_t place = 0; place < room && at_ < parameters_.size();) {
      const Shares::Part part = shares_.part(at_, rank_);
      const std::int64_t count = std::min(part.size() - done_, room - place), begin = part.begin + done_;
      if (count > 0) visit(parameters_[at_].parameter.exact().elements(begin, begin + count), place);
      place += count;
      done_ += count;
      if (done_ < part.size()) continue;
      ++at_;
      done_ = 0;
    }
  }

 private:
  const Shares& shares_;
  const std::vector<NamedParameter>& parameters_;
  int rank_;
  std::size_t at_ = 0;     // the parameter
  std::int64_t done_ = 0;  // elements of its part
};

// Each process adds the squares of its share, piece by piece; all add the pieces in the order of a state that is whole.
void measure_norm(const Shares& shares, const InPlace& norm, const std::vector<AdamWShare::Gradient>& own) {
  const auto pieces = [&](std::size_t array, int rank) {
    return ceil_div(shares.part(array, rank).size(), ops::kNormPiece);
  };
  std::vector<Tensor> gradients;
  std::int64_t own_pieces = 0;
  for (const auto& [parameter, values] : own) {
    gradients.push_back(values);
    own_pieces += pieces(parameter, shares.processes().rank());
  }
  const Tensor squares = Tensor::empty({own_pieces}, DType::kFloat64, norm.tensor.device());
  ops::grad_squares(InPlace(squares), gradients);
  const Tensor host = squares.to(Device::kCpu);
  const std::vector<std::string> all = shares.processes().gather({static_cast<const char*>(host.raw()), host.bytes()});
  std::vector<std::size_t> at(all.size());
  std::string sums;
  for (const auto& [parameter, values] : own)
    for (std::size_t r = 0; r < all.size(); ++r) {
      const auto size = static_cast<std::size_t>(pieces(parameter, static_cast<int>(r))) * sizeof(double);
      sums.append(all[r], at[r], size);
      at[r] += size;
    }
  const Tensor sum = Tensor::empty({std::ssize(sums) / std::int64_t{sizeof(double)}}, DType::kFloat64);
  std::ranges::copy(sums, static_cast<char*>(sum.raw()));
  ops::norm_of_squares(norm, sum.to(norm.tensor.device()));
}

}  // namespace

Shares state_shares(Communicator& processes, const std::vector<NamedParameter>& parameters) {
  std::vector<std::int64_t> sizes;
  for (const NamedParameter& named : parameters) sizes.push_back(named.parameter.late_value().numel());
  return Shares(processes, sizes, ops::kNormPiece);
}

AdamWShare adamw_share(const Shares& shares) {
  AdamWShare out{.own = {}, .measure = [&shares](const InPlace& norm, const std::vector<AdamWShare::Gradient>& own) {
                   measure_norm(shares, norm, own);
                 }};
  for (std::size_t i = 0; i < shares.arrays(); ++i) {
    const auto [begin, end] = shares.own(i);
    out.own.push_back({begin, end});
  }
  return out;
}

Tensor own_part(const Shares& shares, std::size_t array, const Tensor& whole) {
  const auto [begin, end] = shares.own(array);
  return whole.elements(begin, end);
}

void share_values(const Shares& shares, const std::vector<NamedParameter>& parameters) {
  Communicator& processes = shares.processes();
  const std::int64_t room = std::max<std::int64_t>(kWindow / processes.world(), 1);
  std::vector<PartsOfRank> parts;
  std::int64_t longest = 0;
  for (int r = 0; r < processes.world(); ++r) {
    parts.emplace_back(shares, parameters, r);
    longest = std::max(longest, parts.back().size());
  }
  const DType dtype = parameters.front().parameter.exact().dtype();
  const Tensor window = Tensor::empty({processes.world() * std::min(room, longest)}, dtype);
  for (std::int64_t begin = 0; begin < longest; begin += room) {
    const std::int64_t count = std::min(room, longest - begin);
    const auto place_of = [&](std::size_t rank, std::int64_t place, std::int64_t n) {
      const std::int64_t from = static_cast<std::int64_t>(rank) * count + place;
      return window.elements(from, from + n);
    };
    const auto own = static_cast<std::size_t>(processes.rank());
    parts[own].next(count, [&](const Tensor& values, std::int64_t place) {
      place_of(own, place, values.numel()).copy_from(values);
    });
    const std::size_t bytes = static_cast<std::size_t>(processes.world() * count) * size_of(dtype);
    processes.wait(processes.start_share({static_cast<std::byte*>(window.raw()), bytes}, nullptr));
    for (std::size_t r = 0; r < parts.size(); ++r)
      if (r != own)
        parts[r].next(count, [&](const Tensor& values, std::int64_t place) {
          values.copy_from(place_of(r, place, values.numel()));
        });
  }
  for (const auto& [name, parameter] : parameters)
    if (parameter.master().defined())
      parameter.value().copy_from(ops::cast(parameter.master(), parameter.value().dtype()));
}

TensorSource divided_tensor(const std::string& name, const Shares& shares, std::size_t array, const Tensor& own,
                            const Tensor& like) {
  return {name, own.dtype(), like.shape(), [&shares, array, own, shape = like.shape()](const TakeBytes& take) {
            Communicator& processes = shares.processes();
            const Tensor host = own.to(Device::kCpu);
            const std::string_view mine(static_cast<const char*>(host.raw()), host.bytes());
            const std::size_t size = size_of(own.dtype());
            const bool receives = processes.rank() == 0;
            const Tensor whole = receives ? Tensor::empty(shape, own.dtype()) : Tensor();
            std::size_t longest = 0;
            for (int r = 0; r < processes.world(); ++r)
              longest = std::max(longest, static_cast<std::size_t>(shares.part(array, r).size()) * size);
            for (std::size_t begin = 0; begin < longest; begin += kRound) {
              const auto all = processes.gather(mine.substr(std::min(begin, mine.size()), kRound));
              for (int r = 0; receives && r < processes.world(); ++r) {
                const auto first = static_cast<std::size_t>(shares.part(array, r).begin) * size + begin;
                std::ranges::copy(all[static_cast<std::size_t>(r)], static_cast<char*>(whole.raw()) + first);
              }
            }
            if (receives) take({static_cast<const std::byte*>(whole.raw()), whole.bytes()});
          }};
}

void save_divided(Communicator& processes, RunState state, const std::function<void(const RunState& state)>& save) {
  std::vector<TensorSource*> divided;
  for (RunState::Parameter& parameter : state.parameters)
    for (TensorSource& source : parameter.divided) divided.push_back(&source);
  if (processes.rank() != 0) {  // until rank 0 asks for no tensor
    for (;;) {
      const std::string name = processes.gather({}).front();
      if (name.empty()) return;
      const auto asked = std::ranges::find(divided, name, &TensorSource::name);
      DCHECK(asked != divided.end());
      (*asked)->read({});
    }
  }
  bool exchanging = false;
  for (TensorSource* source : divided)
    source->read = [&processes, &exchanging, name = source->name, read = source->read](const TakeBytes& take) {
      exchanging = true;
      processes.gather(name);
      read([&](std::span<const std::byte> bytes) {
        exchanging = false;
        take(bytes);
      });
    };
  std::exception_ptr error;
  try {
    save(state);
  } catch (...) {
    if (exchanging) throw;  // the others wait for another exchange than the one that ends this: no run can go on
    error = std::current_exception();
  }
  processes.gather({});
  if (error) std::rethrow_exception(error);
}

}  // namespace attune
