// A generic door to libtorch: any ATen operator through the boxed dispatcher, and the few things that are not operators.
// Compiles against libtorch 1.13 and 2.x. Every exported function that can fail returns 0, or 1 with the text in lt_error().
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/Parallel.h>
#include <c10/core/Allocator.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/cuda.h>
#include <torch/version.h>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

using at::Tensor;
using c10::IValue;
using c10::TypeKind;
using Tensors = std::vector<Tensor>;
// c10::optional in the older ones, std::optional in the newer.
using OptionalTensor = std::decay_t<decltype(std::declval<IValue>().toOptional<Tensor>())>;

static thread_local std::string last_error;

template <class Body> static int guarded(Body&& body) {
  try { body(); return 0; }
  catch (const c10::Error& e) { last_error = e.what_without_backtrace(); }
  catch (const std::exception& e) { last_error = e.what(); }
  catch (...) { last_error = "libtorch threw something that is not an exception."; }
  return 1;
}

// ---- Bytes of CPU tensors -------------------------------------------------------------------------------------------

// Counts in front of the allocator that was there. The size stands in a header before the data, as wide as libtorch's own
// alignment; memory from before the installation keeps its own deleter.
struct CountingAllocator final : c10::Allocator {
  static constexpr size_t header = 64;
  static inline std::atomic<int64_t> live{0}, peak{0};
  static inline c10::Allocator* inner = nullptr;
  static inline c10::DeleterFnPtr release = nullptr;

  static void raise_peak(int64_t now) {
    for (auto seen = peak.load(std::memory_order_relaxed); now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed);) {}
  }
  static void free_counted(void* data) {
    auto* base = static_cast<char*>(data) - header;
    int64_t size;
    std::memcpy(&size, base, sizeof size);
    live.fetch_sub(size, std::memory_order_relaxed);
    release(base);
  }
  static c10::DataPtr allocate_counted(size_t n) {
    if (n == 0) return {nullptr, c10::Device(c10::DeviceType::CPU)};
    char* base = static_cast<char*>(inner->raw_allocate(n + header));
    const auto size = static_cast<int64_t>(n);
    std::memcpy(base, &size, sizeof size);
    raise_peak(live.fetch_add(size, std::memory_order_relaxed) + size);
    return {base + header, base + header, &free_counted, c10::Device(c10::DeviceType::CPU)};
  }
  // Which of the two is the virtual one changed in libtorch 2.3; copy_data is virtual from 2.1 on.
  c10::DataPtr allocate(size_t n) const { return allocate_counted(n); }
  c10::DataPtr allocate(size_t n) { return allocate_counted(n); }
  void copy_data(void* to, const void* from, size_t count) const { std::memcpy(to, from, count); }
  c10::DeleterFnPtr raw_deleter() const override { return &free_counted; }

  static bool install() {
    static CountingAllocator counting;
    inner = c10::GetAllocator(c10::DeviceType::CPU);
    release = inner ? inner->raw_deleter() : nullptr;
    if (!release) return false;
    c10::SetAllocator(c10::DeviceType::CPU, &counting, 100);
    return true;
  }
};
static const bool counting_installed = CountingAllocator::install();

// ---- Operators ------------------------------------------------------------------------------------------------------

enum Kind : int64_t { None, TensorKind, Double, Int, Bool, IntList, DoubleList, TensorList, String, DeviceKind, GeneratorKind, Complex, Default };

struct Value {
  int64_t kind;
  union { const void* pointer; Tensor* tensor; double real; int64_t integer; };
  union { int64_t length; double imaginary; };
};

struct Operator { c10::OperatorHandle handle; std::vector<c10::TypePtr> types; size_t arity; };

static c10::TypePtr without_optional(c10::TypePtr type) {
  return type->kind() == TypeKind::OptionalType ? type->containedTypes()[0] : type;
}

static IValue tensor_list(const Value& v, const c10::TypePtr& type) {
  auto first = static_cast<Tensor* const*>(v.pointer);
  if (type->containedTypes()[0]->kind() == TypeKind::OptionalType) {
    c10::List<OptionalTensor> list;
    for (int64_t k = 0; k < v.length; k++) list.push_back(first[k] ? OptionalTensor(*first[k]) : OptionalTensor());
    return list;
  }
  c10::List<Tensor> list;
  list.reserve(v.length);
  for (int64_t k = 0; k < v.length; k++) list.push_back(first[k] ? *first[k] : Tensor());
  return list;
}

static IValue to_ivalue(const Value& v, const c10::TypePtr& type) {
  switch (v.kind) {
    case TensorKind: return *v.tensor;
    case Double: return v.real;
    case Int:
      if (type->kind() == TypeKind::FloatType) return static_cast<double>(v.integer);
      if (type->kind() == TypeKind::ListType) return std::vector<int64_t>{v.integer};
      return v.integer;
    case Bool: return v.integer != 0;
    case IntList: { auto* p = static_cast<const int64_t*>(v.pointer); return std::vector<int64_t>(p, p + v.length); }
    case DoubleList: { auto* p = static_cast<const double*>(v.pointer); return std::vector<double>(p, p + v.length); }
    case TensorList: return tensor_list(v, type);
    case String: return std::string(static_cast<const char*>(v.pointer), v.length);
    case DeviceKind: return c10::Device(static_cast<c10::DeviceType>(v.integer), static_cast<c10::DeviceIndex>(v.length));
    case GeneratorKind: return *static_cast<const at::Generator*>(v.pointer);
    case Complex: return c10::complex<double>(v.real, v.imaginary);
    default: return {};
  }
}

static Tensor** release_list(const Tensors& list) {
  auto** all = new Tensor*[list.size()];
  for (size_t k = 0; k < list.size(); k++) all[k] = list[k].defined() ? new Tensor(list[k]) : nullptr;
  return all;
}

static Value from_ivalue(const IValue& v) {
  Value r{None, {nullptr}, {0}};
  if (v.isTensor()) { if (v.toTensor().defined()) { r.kind = TensorKind; r.tensor = new Tensor(v.toTensor()); } }
  else if (v.isDouble()) { r.kind = Double; r.real = v.toDouble(); }
  else if (v.isInt()) { r.kind = Int; r.integer = v.toInt(); }
  else if (v.isBool()) { r.kind = Bool; r.integer = v.toBool(); }
  else if (v.isComplexDouble()) { r.kind = Complex; r.real = v.toComplexDouble().real(); r.imaginary = v.toComplexDouble().imag(); }
  else if (v.isTensorList()) { auto list = v.toTensorVector(); r.kind = TensorList; r.pointer = release_list(list); r.length = list.size(); }
  else if (!v.isNone()) throw std::runtime_error("This operator returns a " + v.tagKind() + ", which the binding does not read.");
  return r;
}

// ---- Custom functions -----------------------------------------------------------------------------------------------

typedef int64_t (*BackwardCallback)(void* owner, Tensor** gradients, int64_t count, Tensor** results, int64_t capacity);
typedef void (*ReleaseCallback)(void* owner);

struct ManagedNode final : torch::autograd::Node {
  BackwardCallback backward;
  ReleaseCallback release;
  void* owner;
  int64_t inputs = 0;
  bool materialize = true;
  std::vector<torch::autograd::SavedVariable> saved;

  ~ManagedNode() override { release(owner); }
  void release_variables() override { for (auto& variable : saved) variable.reset_data(); }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    for (size_t k = 0; materialize && k < gradients.size(); k++)
      if (!gradients[k].defined()) gradients[k] = input_metadata(k).zeros_like();
    std::vector<Tensor*> in, out(inputs, nullptr);
    for (auto& g : gradients) in.push_back(g.defined() ? new Tensor(g) : nullptr);
    // A number other than 0 names the exception that the managed side keeps to rethrow.
    if (auto failure = backward(owner, in.data(), in.size(), out.data(), inputs))
      throw std::runtime_error("managed exception #" + std::to_string(failure) + "#");
    torch::autograd::variable_list results;
    for (auto* g : out) { results.push_back(g ? *g : Tensor()); delete g; }
    return results;
  }
};
using NodePtr = std::shared_ptr<ManagedNode>;

static bool contains(Tensor* const* list, int64_t count, const Tensor& t) {
  for (int64_t k = 0; k < count; k++) if (list[k]->is_same(t)) return true;
  return false;
}
static Tensors gather(Tensor* const* list, int64_t count) {
  Tensors all;
  for (int64_t k = 0; k < count; k++) all.push_back(list[k] ? *list[k] : Tensor());
  return all;
}

#define API extern "C" __attribute__((visibility("default")))

API const char* lt_error() { return last_error.c_str(); }
API const char* lt_version() { return TORCH_VERSION; }

API int64_t lt_memory_live() { return CountingAllocator::live; }
API int64_t lt_memory_peak() { return CountingAllocator::peak; }
API void lt_memory_reset_peak() { CountingAllocator::peak = CountingAllocator::live.load(); }

API int lt_op(const char* name, const char* overload, Operator** op) { return guarded([&] {
  auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  *op = nullptr;
  if (!found) return;
  std::vector<c10::TypePtr> types;
  for (auto& argument : found->schema().arguments()) types.push_back(without_optional(argument.type()));
  *op = new Operator{*found, types, types.size()};
}); }

// Trailing arguments that are not given, and those of kind Default, take the schema's default. Results beyond `capacity` are dropped.
API int lt_call(Operator* op, const Value* arguments, int64_t count, Value* results, int64_t capacity, int64_t* produced) { return guarded([&] {
  torch::jit::Stack stack;
  stack.reserve(op->arity);
  for (size_t k = 0; k < op->arity; k++) {
    if (k < static_cast<size_t>(count) && arguments[k].kind != Default) { stack.push_back(to_ivalue(arguments[k], op->types[k])); continue; }
    auto& standard = op->handle.schema().arguments()[k].default_value();
    TORCH_CHECK(standard, op->handle.schema().name(), ": the argument '", op->handle.schema().arguments()[k].name(), "' has no default.");
    stack.push_back(*standard);
  }
  op->handle.callBoxed(stack);
  *produced = std::min<int64_t>(capacity, stack.size());
  for (int64_t k = 0; k < *produced; k++) results[k] = from_ivalue(stack[k]);
}); }

// ---- Tensors --------------------------------------------------------------------------------------------------------

API void lt_free(Tensor* t) { delete t; }
API void lt_free_list(Tensor** list) { delete[] list; }
API Tensor* lt_alias(Tensor* t) { return new Tensor(*t); }
API int64_t lt_dim(Tensor* t) { return t->dim(); }
API int64_t lt_numel(Tensor* t) { return t->numel(); }
API int lt_dtype(Tensor* t) { return static_cast<int>(t->scalar_type()); }
API int lt_element_size(Tensor* t) { return static_cast<int>(t->element_size()); }
API int lt_device(Tensor* t, int* index) { *index = t->device().has_index() ? t->device().index() : -1; return static_cast<int>(t->device().type()); }
API void lt_sizes(Tensor* t, int64_t* to) { auto s = t->sizes(); std::copy(s.begin(), s.end(), to); }
API int lt_strides(Tensor* t, int64_t* to) { return guarded([&] { auto s = t->strides(); std::copy(s.begin(), s.end(), to); }); }
API int lt_storage_offset(Tensor* t, int64_t* offset) { return guarded([&] { *offset = t->storage_offset(); }); }
API int lt_is_contiguous(Tensor* t) { return t->is_contiguous(); }
API int lt_is_leaf(Tensor* t) { return t->is_leaf(); }
API int lt_is_sparse(Tensor* t) { return t->is_sparse(); }
API int lt_requires_grad(Tensor* t) { return t->requires_grad(); }
API int lt_set_requires_grad(Tensor* t, int value) { return guarded([&] { t->set_requires_grad(value != 0); }); }
API int lt_retain_grad(Tensor* t) { return guarded([&] { t->retain_grad(); }); }
API int lt_grad(Tensor* t, Tensor** grad) { return guarded([&] { auto& g = t->grad(); *grad = g.defined() ? new Tensor(g) : nullptr; }); }
API int lt_set_grad(Tensor* t, Tensor* grad) { return guarded([&] { t->mutable_grad() = grad ? *grad : Tensor(); }); }
API int lt_data(Tensor* t, void** data) { return guarded([&] { *data = t->data_ptr(); }); }

API int lt_from_memory(const void* data, int64_t bytes, const int64_t* sizes, int64_t dims, int dtype, Tensor** out) { return guarded([&] {
  auto t = at::empty(at::IntArrayRef(sizes, dims), at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)));
  TORCH_CHECK(static_cast<int64_t>(t.nbytes()) == bytes, "The shape asks for ", t.nbytes(), " bytes, the data has ", bytes, ".");
  if (bytes) std::memcpy(t.data_ptr(), data, bytes);
  *out = new Tensor(std::move(t));
}); }

// ---- Autograd -------------------------------------------------------------------------------------------------------

API int lt_grad_mode() { return c10::GradMode::is_enabled(); }
API void lt_set_grad_mode(int enabled) { c10::GradMode::set_enabled(enabled != 0); }
API int lt_inference_mode() { return c10::InferenceMode::is_enabled(); }
API int lt_inference_enter(int enabled, c10::InferenceMode** guard) { return guarded([&] { *guard = new c10::InferenceMode(enabled != 0); }); }
API void lt_inference_leave(c10::InferenceMode* guard) { delete guard; }

API int lt_backward(Tensor** tensors, int64_t count, Tensor** gradients, int64_t gradient_count, int retain, int create, Tensor** inputs, int64_t input_count) {
  return guarded([&] { torch::autograd::backward(gather(tensors, count), gather(gradients, gradient_count), retain != 0, create != 0, gather(inputs, input_count)); });
}
API int lt_gradients(Tensor** outputs, int64_t count, Tensor** inputs, int64_t input_count, Tensor** gradients, int64_t gradient_count, int retain, int create, int unused, Tensor** results) {
  return guarded([&] {
    auto found = torch::autograd::grad(gather(outputs, count), gather(inputs, input_count), gather(gradients, gradient_count), retain != 0, create != 0, unused != 0);
    for (size_t k = 0; k < found.size(); k++) results[k] = found[k].defined() ? new Tensor(found[k]) : nullptr;
  });
}

API int lt_node(BackwardCallback backward, ReleaseCallback release, void* owner, Tensor** inputs, int64_t count, NodePtr** node) { return guarded([&] {
  NodePtr made(new ManagedNode(), torch::autograd::deleteNode);
  made->backward = backward; made->release = release; made->owner = owner; made->inputs = count;
  made->set_next_edges(torch::autograd::collect_next_edges(gather(inputs, count)));
  *node = new NodePtr(made);
}); }
API void lt_node_drop(NodePtr* node) { delete node; }

// Gives the outputs of a forward pass their history. An output that is an input or a view gets a tensor of its own over the same memory.
API int lt_node_outputs(NodePtr* node, int materialize, Tensor** inputs, int64_t input_count, Tensor** dirty, int64_t dirty_count,
                        Tensor** constant, int64_t constant_count, Tensor** outputs, int64_t count, Tensor** results) { return guarded([&] {
  (*node)->materialize = materialize != 0;
  for (int64_t k = 0; k < count; k++) {
    auto t = *outputs[k];
    if (contains(dirty, dirty_count, t)) {
      t.unsafeGetTensorImpl()->bump_version();
      auto slot = (*node)->add_input_metadata(t);
      torch::autograd::impl::rebase_history(t, {*node, static_cast<uint32_t>(slot)});
    } else if (contains(constant, constant_count, t) || !torch::autograd::isDifferentiableType(t.scalar_type())) {
      (*node)->add_input_metadata(torch::autograd::Node::undefined_input());
      if (contains(inputs, input_count, t)) t = t.detach();
    } else {
      if (contains(inputs, input_count, t) || t.is_view()) t = t.detach();
      torch::autograd::set_history(t, *node);
    }
    results[k] = new Tensor(t);
  }
}); }
API int lt_node_save(NodePtr* node, Tensor** tensors, int64_t count) { return guarded([&] {
  for (int64_t k = 0; k < count; k++)
    (*node)->saved.emplace_back(tensors[k] ? *tensors[k] : Tensor(), tensors[k] && tensors[k]->grad_fn() == *node);
}); }
// Called from inside the node's own backward, with the owner's weak reference.
API void* lt_node_weak(NodePtr* node) { return new std::weak_ptr<ManagedNode>(*node); }
API void lt_node_weak_drop(std::weak_ptr<ManagedNode>* node) { delete node; }
API int lt_node_saved(std::weak_ptr<ManagedNode>* weak, Tensor** results, int64_t capacity, int64_t* count) { return guarded([&] {
  auto node = weak->lock();
  *count = node ? node->saved.size() : 0;
  for (int64_t k = 0; k < std::min(*count, capacity); k++) { auto t = node->saved[k].unpack(node); results[k] = t.defined() ? new Tensor(t) : nullptr; }
}); }

// ---- Generators, devices, threads -----------------------------------------------------------------------------------

API int lt_generator_default(int type, int index, at::Generator** out) { return guarded([&] {
  *out = new at::Generator(at::globalContext().defaultGenerator(c10::Device(static_cast<c10::DeviceType>(type), static_cast<c10::DeviceIndex>(index))));
}); }
API int lt_generator_new(int type, int index, uint64_t seed, at::Generator** out) { return guarded([&] {
  auto made = at::globalContext().defaultGenerator(c10::Device(static_cast<c10::DeviceType>(type), static_cast<c10::DeviceIndex>(index))).clone();
  made.set_current_seed(seed);
  *out = new at::Generator(made);
}); }
API void lt_generator_free(at::Generator* g) { delete g; }
API int lt_generator_seed(at::Generator* g, uint64_t seed) { return guarded([&] { std::lock_guard<std::mutex> lock(g->mutex()); g->set_current_seed(seed); }); }
API int lt_generator_reseed(at::Generator* g, uint64_t* seed) { return guarded([&] { std::lock_guard<std::mutex> lock(g->mutex()); *seed = g->seed(); }); }
API int lt_generator_current(at::Generator* g, uint64_t* seed) { return guarded([&] { *seed = g->current_seed(); }); }
API int lt_generator_state(at::Generator* g, Tensor** state) { return guarded([&] { *state = new Tensor(g->get_state()); }); }
API int lt_generator_set_state(at::Generator* g, Tensor* state) { return guarded([&] { g->set_state(*state); }); }
API int lt_manual_seed(uint64_t seed) { return guarded([&] { at::manual_seed(seed); }); }

API int lt_cuda_available() { return torch::cuda::is_available(); }
API int lt_cudnn_available() { return torch::cuda::cudnn_is_available(); }
API int lt_cuda_count() { return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0; }
API int lt_cuda_seed(uint64_t seed, int all) { return guarded([&] { if (all) torch::cuda::manual_seed_all(seed); else torch::cuda::manual_seed(seed); }); }
API int lt_cuda_synchronize(int64_t index) { return guarded([&] { torch::cuda::synchronize(index); }); }
API int lt_tf32(int cudnn) { return cudnn ? at::globalContext().allowTF32CuDNN() : at::globalContext().allowTF32CuBLAS(); }
API void lt_set_tf32(int cudnn, int allow) { if (cudnn) at::globalContext().setAllowTF32CuDNN(allow != 0); else at::globalContext().setAllowTF32CuBLAS(allow != 0); }
// A bool up to libtorch 2.8, then an enumeration whose first value allows the reduction.
template <class T> static int allowed(T option) {
  if constexpr (std::is_same_v<T, bool>) return option;
  else return static_cast<int>(option) == 0;
}
API int lt_fp16_reduction() { return allowed(at::globalContext().allowFP16ReductionCuBLAS()); }
API void lt_set_fp16_reduction(int allow) { at::globalContext().setAllowFP16ReductionCuBLAS(allow != 0); }

API int lt_threads() { return at::get_num_threads(); }
API int lt_set_threads(int count) { return guarded([&] { at::set_num_threads(count); }); }
API int lt_interop_threads() { return at::get_num_interop_threads(); }
API int lt_set_interop_threads(int count) { return guarded([&] { at::set_num_interop_threads(count); }); }
