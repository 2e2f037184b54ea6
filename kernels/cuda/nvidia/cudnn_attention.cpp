// Attention by cuDNN's graph API (cudnn_attention.h), through its header-only frontend.
//
// A batch has one of two layouts for cuDNN. If every sequence has max_length rows (the sizes alone show it), it is a
// [B, H, T, D] tensor with strides. Any other batch is "ragged": the same dimensions, and a table with the beginning of
// each sequence. Key lengths and ragged rows need its padding mask. Rows after the keys are then not computed, so
// outputs are set to zero first. The deterministic backward is used: equal runs give equal bits.
//
// A graph is compiled at the first call of its shape, and kept.
#include "kernels/cuda/cudnn_attention.h"

#include <cudnn_frontend.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/check.h"
#include "base/math.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/stream_state.h"
#include "kernels/cuda/sequence_tables.h"

namespace attune::cuda {
namespace {

namespace fe = cudnn_frontend;
using Attributes = fe::graph::Tensor_attributes;
using TensorPointer = std::shared_ptr<Attributes>;

// The names by which the graphs' tensors are bound to memory.
enum Name : std::int64_t {
  // clang-format off
  kQ = 1, kK, kV, kOut, kLse, kDOut, kDQ, kDK, kDV, kLengths, kStridedPlaces, kDensePlaces, kStatisticPlaces
  // clang-format on
};
using Memory = std::unordered_map<std::int64_t, void*>;

void check(cudnnStatus_t status, const char* call) {
  CHECK(status == CUDNN_STATUS_SUCCESS, "cuda: ", call, ": ", cudnnGetErrorString(status));
}
void check(fe::error_t error) {
  if (error.is_good()) return;
  const std::string message = error.get_message();  // may continue with a message of each engine
  throw Error("attention by cuDNN: not for this batch or GPU: " + message.substr(0, message.find('\n')));
}

// All that a graph depends on.
struct Form {
  bool backward, lse, causal, masked, ragged;
  std::int64_t sequences, max_length, rows, heads, head_size, row_stride, window;
  double scale;
  auto operator<=>(const Form&) const = default;
};

Form form_of(const kernels::AttentionLayout& layout, std::int64_t row_stride, bool backward, bool lse) {
  const bool ragged = layout.rows != layout.sequences * layout.max_length;
  return {.backward = backward,
          .lse = lse,
          .causal = layout.causal,
          .masked = ragged || layout.key_lengths != nullptr,
          .ragged = ragged,
          .sequences = layout.sequences,
          .max_length = layout.max_length,
          .rows = layout.rows,
          .heads = layout.heads,
          .head_size = layout.head_size,
          .row_stride = row_stride,
          .window = layout.window,
          .scale = layout.scale};
}

class Plan {
 public:
  Plan(cudnnHandle_t handle, const Form& form) : form_(form) {
    graph_.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    form.backward ? describe_backward() : describe_forward();
    check(graph_.build(handle, {fe::HeurMode_t::A}));
  }

  void run(const kernels::CudaContext& context, cudnnHandle_t handle, Memory& memory) {
    std::int64_t bytes = 0;
    check(graph_.get_workspace_size(bytes));
    const Scratch workspace(static_cast<std::size_t>(bytes), context.stream());
    check(graph_.execute(handle, memory, workspace.as<void>()));
  }

 private:
  // Rows `row_stride` apart, H D of them.
  Attributes matrix(Name name, std::int64_t row_stride, Name places) {
    Attributes attributes;
    attributes.set_uid(name)
        .set_dim({form_.sequences, form_.heads, form_.max_length, form_.head_size})
        .set_stride({form_.max_length * row_stride, form_.head_size, row_stride, 1});
    if (form_.ragged) attributes.set_ragged_offset(table(places, form_.sequences + 1));
    return attributes;
  }
  Attributes strided(Name name) { return matrix(name, form_.row_stride, kStridedPlaces); }
  Attributes dense(Name name) { return matrix(name, form_.heads * form_.head_size, kDensePlaces); }

  Attributes statistics() {
    Attributes attributes;
    attributes.set_uid(kLse)
        .set_data_type(fe::DataType_t::FLOAT)
        .set_dim({form_.sequences, form_.heads, form_.max_length, 1});
    if (form_.ragged)
      attributes.set_stride({form_.max_length * form_.heads, 1, form_.heads, 1})
          .set_ragged_offset(table(kStatisticPlaces, form_.sequences + 1));
    else
      attributes.set_stride({form_.heads * form_.max_length, form_.max_length, 1, 1});
    return attributes;
  }

  // int32 [length], the same for all tensors that ask for it.
  TensorPointer table(Name name, std::int64_t length) {
    TensorPointer& made = tables_[name];
    if (!made)
      made = graph_.tensor(Attributes()
                               .set_uid(name)
                               .set_dim({length, 1, 1, 1})
                               .set_stride({1, 1, 1, 1})
                               .set_data_type(fe::DataType_t::INT32));
    return made;
  }

  static void output(const TensorPointer& result, Attributes as) {
    result->set_output(true).set_uid(as.get_uid()).set_dim(as.get_dim()).set_stride(as.get_stride());
    result->set_data_type(as.get_data_type()).set_ragged_offset(as.get_ragged_offset());
  }

  // The masks of both directions. |i - j| <= window; cuDNN counts the left side including the diagonal.
  template <class Attention>
  void describe(Attention& attributes) {
    attributes.set_attn_scale(static_cast<float>(form_.scale));
    if (form_.masked)
      attributes.set_padding_mask(true)
          .set_seq_len_q(table(kLengths, form_.sequences))
          .set_seq_len_kv(table(kLengths, form_.sequences));
    if (form_.causal || form_.window >= 0) attributes.set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT);
    if (form_.window >= 0) attributes.set_diagonal_band_left_bound(narrow<int>(form_.window + 1));
    if (form_.causal || form_.window >= 0)
      attributes.set_diagonal_band_right_bound(form_.causal ? 0 : narrow<int>(form_.window));
  }

  void describe_forward() {
    auto attributes = fe::graph::SDPA_attributes();
    attributes.set_name("attention_forward").set_generate_stats(form_.lse);
    describe(attributes);
    const auto [out, lse] =
        graph_.sdpa(graph_.tensor(strided(kQ)), graph_.tensor(strided(kK)), graph_.tensor(strided(kV)), attributes);
    output(out, dense(kOut));
    if (form_.lse) output(lse, statistics());
  }

  void describe_backward() {
    auto attributes = fe::graph::SDPA_backward_attributes();
    attributes.set_name("attention_backward").set_deterministic_algorithm(true);
    if (form_.ragged) attributes.set_max_total_seq_len_q(form_.rows).set_max_total_seq_len_kv(form_.rows);
    describe(attributes);
    const auto [dq, dk, dv] = graph_.sdpa_backward(
        graph_.tensor(strided(kQ)), graph_.tensor(strided(kK)), graph_.tensor(strided(kV)), graph_.tensor(dense(kOut)),
        graph_.tensor(dense(kDOut)), graph_.tensor(statistics()), attributes);
    output(dq, strided(kDQ));
    output(dk, strided(kDK));
    output(dv, strided(kDV));
  }

  Form form_;
  fe::graph::Graph graph_;
  std::map<Name, TensorPointer> tables_;
};

// The device's tables of a batch, and their places in `memory`.
class Tables {
 public:
  Tables(const kernels::CudaContext& context, const Form& form, const kernels::AttentionLayout& layout, Memory& memory)
      : buffer_(static_cast<std::size_t>(form.masked ? 4 * pitch(form) : 0) * sizeof(std::int32_t), context.stream()) {
    if (!form.masked) return;
    const std::int64_t width = form.heads * form.head_size;
    CHECK(form.rows * std::max(form.row_stride, width) < std::int64_t{1} << 31, "attention by cuDNN: ", form.rows,
          " rows are too many for its tables");
    auto* const first = buffer_.as<std::int32_t>();
    const auto part = [&](int i) { return first + i * pitch(form); };
    sequence_tables(context, {.lengths = part(0),
                              .strided_places = part(1),
                              .dense_places = part(2),
                              .statistic_places = part(3),
                              .offsets = layout.offsets,
                              .key_lengths = layout.key_lengths,
                              .sequences = narrow<std::int32_t>(form.sequences),
                              .row_stride = narrow<std::int32_t>(form.row_stride),
                              .width = narrow<std::int32_t>(width),
                              .heads = narrow<std::int32_t>(form.heads)});
    memory[kLengths] = part(0);
    if (form.ragged)
      memory[kStridedPlaces] = part(1), memory[kDensePlaces] = part(2), memory[kStatisticPlaces] = part(3);
  }

 private:
  // From table to table: cuDNN takes tensors to be aligned to 16 bytes.
  static std::int64_t pitch(const Form& form) { return ceil_div<std::int64_t>(form.sequences + 1, 4) * 4; }

  Scratch buffer_;
};

// Rows of H D elements, `row_stride` apart, that cuDNN may leave out.
void set_rows_zero(const kernels::CudaContext& context, const Form& form, void* rows, std::int64_t row_stride) {
  if (!form.masked) return;
  constexpr std::size_t kSize = sizeof(std::uint16_t);
  CUDA_CHECK(cudaMemset2DAsync(rows, static_cast<std::size_t>(row_stride) * kSize, 0,
                               static_cast<std::size_t>(form.heads * form.head_size) * kSize,
                               static_cast<std::size_t>(form.rows), context.stream().state().stream));
}

void check_supported(const kernels::AttentionLayout& layout, DType dtype) {
  CHECK(dtype == DType::kBFloat16, "attention by cuDNN computes in bfloat16, not in ", name_of(dtype),
        ": use --precision bf16, or --attention own");
  CHECK(!layout.dropout.active(),
        "attention by cuDNN would draw other dropout masks: use --dropout 0, or --attention own");
  CHECK(layout.rows == layout.sequences * layout.max_length || device_info().compute_capability >= 90,
        "attention by cuDNN of packed batches needs compute capability 9.0: use --no_packing, or --attention own");
}

// A tensor that is only read; the library takes one kind of pointer.
void* input(const void* data) {
  return const_cast<void*>(data);
}

}  // namespace

struct CudnnPlans {
  cudnnHandle_t handle = nullptr;
  std::mutex mutex;
  std::map<Form, Plan> plans;

  CudnnPlans() {
    CHECK(cudnnGetVersion() / 10000 == 9, "attention by cuDNN: version 9 is needed, this is ", cudnnGetVersion());
    check(cudnnCreate(&handle), "cudnnCreate");
  }
  ~CudnnPlans() {
    plans.clear();
    static_cast<void>(cudnnDestroy(handle));  // nothing can be done about it
  }

  void run(const kernels::CudaContext& context, const Form& form, Memory& memory) {
    const std::scoped_lock lock(mutex);
    check(cudnnSetStream(handle, context.stream().state().stream), "cudnnSetStream");
    plans.try_emplace(form, handle, form).first->second.run(context, handle, memory);
  }
};

bool has_cudnn_attention() {
  return true;
}

std::shared_ptr<CudnnPlans> make_cudnn_plans() {
  return std::make_shared<CudnnPlans>();
}

void cudnn_attention_forward(const kernels::CudaContext& context, CudnnPlans& plans,
                             const kernels::AttentionForward& args) {
  check_supported(args.layout, args.dtype);
  if (args.layout.rows == 0) return;
  const Form form = form_of(args.layout, args.row_stride, false, args.lse != nullptr);
  Memory memory{{kOut, args.out}, {kQ, input(args.q)}, {kK, input(args.k)}, {kV, input(args.v)}};
  if (form.lse) memory[kLse] = args.lse;
  if (form.lse && form.masked)
    set_zero(args.lse, static_cast<std::size_t>(form.heads * form.rows) * sizeof(float), context.stream());
  const Tables tables(context, form, args.layout, memory);
  set_rows_zero(context, form, args.out, form.heads * form.head_size);
  plans.run(context, form, memory);
}

void cudnn_attention_backward(const kernels::CudaContext& context, CudnnPlans& plans,
                              const kernels::AttentionBackward& args) {
  check_supported(args.layout, args.dtype);
  if (args.layout.rows == 0) return;
  const Form form = form_of(args.layout, args.row_stride, true, true);
  Memory memory{{kDQ, args.dq},          {kDK, args.dk},          {kDV, args.dv},      {kDOut, input(args.dout)},
                {kOut, input(args.out)}, {kLse, input(args.lse)}, {kQ, input(args.q)}, {kK, input(args.k)},
                {kV, input(args.v)}};
  const Tables tables(context, form, args.layout, memory);
  for (void* gradient : {args.dq, args.dk, args.dv}) set_rows_zero(context, form, gradient, args.row_stride);
  plans.run(context, form, memory);
}

}  // namespace attune::cuda
