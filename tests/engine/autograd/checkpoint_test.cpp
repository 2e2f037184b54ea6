// checkpoint(): the bits of a run without it, on every device and in every precision; what is recorded; what it saves.
#include "engine/autograd/checkpoint.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/autograd/functions.h"
#include "engine/nn/token_batch.h"
#include "engine/tensor/captured_work.h"
#include "engine/tensor/context.h"
#include "kernels/cuda/device_info.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

constexpr std::int64_t kChannels = 16, kHeads = 2;

struct Precision {
  const char* name;
  Device device;
  DType dtype;
};

Tensor random_tensor(const Shape& shape, DType dtype, Device device, std::mt19937& random) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    values.push_back(static_cast<float>(random() % 2001) / 5000.0F - 0.2F);
  return Tensor::from(values, shape).cast(dtype).to(device);
}

// A transformer block with all that dropout, a gate, attention and a fused norm save. States: {normed, stream}.
struct Block {
  Block(Precision precision, std::uint32_t first_site, std::mt19937& random) : site(first_site) {
    const auto weight = [&](const Shape& shape, DType dtype) {
      return Variable(random_tensor(shape, dtype, precision.device, random), true);
    };
    qkv = weight({3 * kChannels, kChannels}, precision.dtype);
    projection = weight({kChannels, kChannels}, precision.dtype);
    norm = weight({kChannels}, DType::kFloat32);
    shift = weight({kChannels}, DType::kFloat32);
    gate = weight({2 * kChannels, kChannels}, precision.dtype);
    output = weight({kChannels, kChannels}, precision.dtype);
  }
  Variables parameters() const { return {qkv, projection, norm, shift, gate, output}; }

  Variables operator()(const Variables& x, const Sequences& sequences, const ForwardPass& pass) const {
    const Variable attended =
        attention(linear(x[0], qkv, {}), sequences,
                  {.heads = kHeads, .causal = false, .window = -1, .dropout = pass.dropout(0.2F, site, sequences)});
    const auto join = [&](const Variable& residual, const Variable& branch, std::uint32_t at) {
      return residual_layernorm(residual, branch, norm, shift,
                                {.eps = 1e-5, .dropout = pass.dropout(0.3F, at, sequences), .stream = true});
    };
    const ResidualNorm middle = join(x[1], linear(attended, projection, {}), site + 2);
    const Variable gated =
        dropout(glu(linear(middle.normed, gate, {}), Activation::kGeluErf), pass.dropout(0.1F, site + 3, sequences));
    const ResidualNorm out = join(middle.stream, linear(gated, output, {}), site + 4);
    return {out.normed, out.stream};
  }

  Variable qkv, projection, norm, shift, gate, output;
  std::uint32_t site;
};

// Three blocks between an input and a loss; the middle one's weights may serve the last one too.
struct Network {
  explicit Network(Precision precision_) : precision(precision_) {
    for (std::uint32_t i = 0; i < 3; ++i) blocks.emplace_back(precision, 10 * i, random);
    input = Variable(random_tensor({6, kChannels}, DType::kFloat32, precision.device, random), true);
    head = Variable(random_tensor({2, kChannels}, DType::kFloat32, precision.device, random), true);
    batch = on_device(packed_batch(std::vector<std::int32_t>(6), std::vector<std::int32_t>{4, 2}), precision.device);
    labels = Tensor::from(std::vector<std::int32_t>{1, 0}, {2}).to(precision.device);
  }

  Variable loss(bool recompute, const ForwardPass& pass) const {
    Variables x = {cast(input, precision.dtype), input};
    for (const Block& block : blocks) {
      const auto run = [this, &block, pass](const Variables& in) { return block(in, batch.sequences, pass); };
      x = recompute ? checkpoint(run, x) : run(x);
    }
    const Variable rows = pool(residual(x[1], input, {}), batch.pooled(PooledRows::kFirst));
    return cross_entropy(linear(rows, head, {}), labels);
  }

  Variables parameters() const {
    Variables out = {input, head};
    for (const Block& block : blocks)
      for (const Variable& x : block.parameters()) out.push_back(x);
    return out;
  }

  // Bytes of the loss and of every gradient; gradients gather over two passes where `twice`.
  std::vector<std::vector<std::byte>> bits(bool recompute, bool twice = false) const {
    std::vector<std::vector<std::byte>> out;
    const auto keep = [&](const Tensor& x) {
      const Tensor host = x.defined() ? x.to(Device::kCpu) : Tensor::zeros({0}, DType::kFloat32);
      const auto* bytes = static_cast<const std::byte*>(host.raw());
      out.emplace_back(bytes, bytes + host.bytes());
    };
    for (std::uint32_t step = 0; step < (twice ? 2 : 1); ++step) {
      Tape tape;
      Variable value;
      {
        const Tape::Recording recording(tape);
        value = loss(recompute, {.training = true, .seed = 9, .step = step});
      }
      keep(value.value());
      if (value.requires_grad()) tape.backward(value);
    }
    for (const Variable& x : parameters()) {
      keep(x.grad().tensor());
      x.grad().clear();
    }
    return out;
  }

  Precision precision;
  std::mt19937 random{5};
  std::vector<Block> blocks;
  Variable input, head;
  TokenBatch batch;
  Tensor labels;
};

class Recomputed : public ::testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (GetParam().device == Device::kCuda && !cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }
};

TEST_P(Recomputed, GivesTheSameBits) {
  const Network network(GetParam());
  EXPECT_EQ(network.bits(true), network.bits(false));
  EXPECT_EQ(network.bits(true, true), network.bits(false, true));
}

TEST_P(Recomputed, GivesTheSameBitsWithFrozenParts) {
  for (const std::size_t frozen : {1, 3}) {  // blocks from the front
    const Network network(GetParam());
    network.input.set_requires_grad(false);
    for (std::size_t i = 0; i < frozen; ++i)
      for (const Variable& x : network.blocks[i].parameters()) x.set_requires_grad(false);
    const auto plain = network.bits(false);
    EXPECT_EQ(network.bits(true), plain) << frozen;
    EXPECT_EQ(plain[1].size(), 0u);
  }
  const Network mixed(GetParam());  // single parameters of a block
  mixed.blocks[1].norm.set_requires_grad(false);
  mixed.blocks[1].gate.set_requires_grad(false);
  EXPECT_EQ(mixed.bits(true), mixed.bits(false));
}

TEST_P(Recomputed, GivesTheSameBitsWithSharedParameters) {
  Network network(GetParam());
  network.blocks[2] = network.blocks[1];
  network.blocks[2].site = 20;
  EXPECT_EQ(network.bits(true), network.bits(false));
}

INSTANTIATE_TEST_SUITE_P(Precisions, Recomputed,
                         ::testing::Values(Precision{"cpu_float32", Device::kCpu, DType::kFloat32},
                                           Precision{"cuda_float32", Device::kCuda, DType::kFloat32},
                                           Precision{"cuda_bfloat16", Device::kCuda, DType::kBFloat16}),
                         [](const auto& precision) { return std::string(precision.param.name); });

TEST(Checkpoint, IsOneStepAndRunsTwice) {
  const Variable x(Tensor::from(std::vector<double>{1, 2}, {1, 2}), true),
      frozen(Tensor::from(std::vector<double>{1, 2}, {1, 2}));
  int runs = 0;
  const auto fn = [&](const Variables& in) {
    ++runs;
    return Variables{activation(activation(in[0], Activation::kTanh), Activation::kTanh)};
  };
  EXPECT_FALSE(checkpoint(fn, {x})[0].requires_grad());  // no tape
  EXPECT_EQ(runs, 1);
  Tape tape;
  const Tape::Recording recording(tape);
  EXPECT_FALSE(checkpoint(fn, {frozen})[0].requires_grad());
  EXPECT_EQ(tape.size(), 0u);
  EXPECT_EQ(runs, 2);
  const Variables y = checkpoint(fn, {x});
  EXPECT_TRUE(y[0].requires_grad());
  EXPECT_EQ(tape.size(), 1u);
  EXPECT_EQ(runs, 3);
  (void)checkpoint(fn, {x});  // leads nowhere: does not run again
  EXPECT_EQ(runs, 4);
  tape.backward({y[0]}, {Tensor::from(std::vector<double>{1, 1}, {1, 2})});
  EXPECT_EQ(runs, 5);
}

// Outputs that are inputs, one output twice, one that nobody uses, and a checkpoint in a checkpoint.
TEST(Checkpoint, TakesOutputsAsTheyCome) {
  const Variable a(Tensor::from(std::vector<double>{1, 2}, {1, 2}), true),
      b(Tensor::from(std::vector<double>{3, 4}, {1, 2}), true);
  const auto part = [](const Variables& in) {
    const Variable sum = residual(in[0], in[1], {}), unused = activation(sum, Activation::kTanh);
    return Variables{sum, in[1], sum, unused, Variable()};
  };
  const auto nested = [&](const Variables& in) { return checkpoint(part, in); };
  std::vector<std::vector<double>> found;
  for (const auto& fn : std::vector<std::function<Variables(const Variables&)>>{
           part, [&](const Variables& in) { return checkpoint(part, in); },
           [&](const Variables& in) { return checkpoint(nested, in); }}) {
    Tape tape;
    const Tape::Recording recording(tape);
    const Variables y = fn({a, b});
    tape.backward({residual(y[0], residual(y[1], y[2], {}), {})}, {Tensor::from(std::vector<double>{1, 10}, {1, 2})});
    for (const Variable* x : {&a, &b}) {
      const auto values = x->grad().tensor().values<double>();
      found.emplace_back(values.begin(), values.end());
      x->grad().clear();
    }
  }
  EXPECT_EQ(found, (std::vector<std::vector<double>>{{2, 20}, {3, 30}, {2, 20}, {3, 30}, {2, 20}, {3, 30}}));
}

// After the forward pass only each block's two inputs are held: 2 of the more than 15 tensors [N, C] that its ops save.
TEST(Checkpoint, HoldsLessAfterTheForwardPass) {
  const Network network({"cpu_float32", Device::kCpu, DType::kFloat32});
  std::size_t held[2];
  for (const bool recompute : {false, true}) {
    const std::size_t before = host_memory().in_use;
    Tape tape;
    const Tape::Recording recording(tape);
    const Variable loss = network.loss(recompute, {.training = true, .seed = 9, .step = 0});
    held[recompute] = host_memory().in_use - before;
  }
  EXPECT_LT(held[true] * 4, held[false]);
}

// Work that is captured runs again inside of the graph.
TEST(Checkpoint, IsCaptured) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  const Network network({"cuda_float32", Device::kCuda, DType::kFloat32});
  const auto expected = network.bits(false);
  Tensor loss;
  const auto step = [&] {
    for (const Variable& x : network.parameters()) x.grad().clear();
    Tape tape;
    const Tape::Recording recording(tape);
    const Variable value = network.loss(true, {.training = true, .seed = 9, .step = 0});
    loss = value.value();
    tape.backward(value);
  };
  step();
  CapturedWork work(step);
  work.replay();
  work.replay();
  std::vector<Tensor> found = {loss};
  for (const Variable& x : network.parameters()) found.push_back(x.grad().tensor());
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Tensor host = found[i].to(Device::kCpu);
    const auto* bytes = static_cast<const std::byte*>(host.raw());
    EXPECT_EQ(std::vector<std::byte>(bytes, bytes + host.bytes()), expected[i]) << i;
  }
  for (const Variable& x : network.parameters()) x.grad().clear();
}

}  // namespace
}  // namespace attune::testing
