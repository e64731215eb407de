namespace TorchSharp;

public static partial class torch
{
    /// <summary>One place of an index: a number, a range, <c>...</c>, a new axis, a mask or a tensor of positions.</summary>
    public struct TensorIndex
    {
        internal enum Form { Null, None, Ellipsis, Single, Bool, Slice, Tensor }

        private TensorIndex(Form kind) => Kind = kind;

        internal Form Kind { get; }
        internal long? Start { get; private init; }
        internal long? Stop { get; private init; }
        internal long? Step { get; private init; }
        internal Tensor? Value { get; private init; }

#pragma warning disable CA2211 // Fields that can be set, as the real ones.
        public static TensorIndex Null = new(Form.Null);
        public static TensorIndex None = new(Form.None);
        public static TensorIndex Ellipsis = new(Form.Ellipsis);
        public static TensorIndex Colon = Slice();
#pragma warning restore CA2211

        public static TensorIndex Single(long? index) => index is null ? Null : new(Form.Single) { Start = index };
        public static TensorIndex Bool(bool value) => new(Form.Bool) { Start = value ? 1 : 0 };
        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) => new(Form.Slice) { Start = start, Stop = stop, Step = step };
        public static TensorIndex Slice((int? start, int? end) range) => Slice(range.start, range.end);
        public static TensorIndex Slice(Range range) => Slice(Signed(range.Start), range.End.Equals(Index.End) ? null : Signed(range.End));
        public static TensorIndex Tensor(Tensor tensor) => new(Form.Tensor) { Value = tensor };

        public static implicit operator TensorIndex(long value) => Single(value);
        public static implicit operator TensorIndex((int? start, int? end) range) => Slice(range);
        public static implicit operator TensorIndex(Index index) => Single(Signed(index));
        public static implicit operator TensorIndex(Range range) => Slice(range);

        public static implicit operator Tensor(TensorIndex value) => value.Kind switch
        {
            Form.Tensor => value.Value!,
            Form.Single => value.Start!.Value,
            Form.Bool => value.Start != 0,
            _ => throw new InvalidCastException($"An index of the form {value.Kind} is not a tensor."),
        };

        private static long Signed(Index index) => index.IsFromEnd ? -index.Value : index.Value;
    }

    public partial class Tensor
    {
        public Tensor this[long i1] { get => index([i1]); set => Assign([i1], value); }
        public Tensor this[long i1, long i2] { get => index([i1, i2]); set => Assign([i1, i2], value); }
        public Tensor this[long i1, long i2, long i3] { get => index([i1, i2, i3]); set => Assign([i1, i2, i3], value); }
        public Tensor this[long i1, long i2, long i3, long i4] { get => index([i1, i2, i3, i4]); set => Assign([i1, i2, i3, i4], value); }

        public Tensor this[long i1, long i2, long i3, long i4, long i5]
        {
            get => index([i1, i2, i3, i4, i5]);
            set => Assign([i1, i2, i3, i4, i5], value);
        }

        public Tensor this[long i1, long i2, long i3, long i4, long i5, long i6]
        {
            get => index([i1, i2, i3, i4, i5, i6]);
            set => Assign([i1, i2, i3, i4, i5, i6], value);
        }

        public Tensor this[params long[] indices] { get => index(Numbers(indices)); set => Assign(Numbers(indices), value); }
        public Tensor this[params TensorIndex[] indices] { get => index(indices); set => Assign(indices, value); }
        public Tensor this[params Tensor[] indices] { get => index(indices); set => index_put_(value, indices, accumulate: false); }

        public Tensor index(params TensorIndex[] indices)
        {
            using var scope = NewDisposeScope();
            var (view, gathered) = Resolve(indices);
            var result = gathered is null ? view : Op.Call("index.Tensor", view, gathered);
            return (ReferenceEquals(result, this) ? alias() : result).MoveToOuterDisposeScope();
        }

        public Tensor index(params Tensor[] indices) => Op.Call("index.Tensor", this, indices);

        public Tensor index_put_(Tensor value, params TensorIndex[] indices) => Put(value, indices, accumulate: false);
        public Tensor index_put_(Tensor value, TensorIndex[] indices, bool accumulate = false) => Put(value, indices, accumulate);
        public Tensor index_put_(Tensor value, params Tensor[] indices) => Op.InPlace("index_put_", this, indices, value);
        public Tensor index_put_(Tensor value, Tensor[] indices, bool accumulate = false) => Op.InPlace("index_put_", this, indices, value, accumulate);

        public Tensor index_put_(Scalar value, params TensorIndex[] indices)
        {
            using Tensor number = value;
            using var converted = number.to(dtype, device);
            return Put(converted, indices, accumulate: false);
        }

        public Tensor index_put_(Scalar value, params Tensor[] indices)
        {
            using Tensor number = value;
            using var converted = number.to(dtype, device);
            return Op.InPlace("index_put_", this, indices, converted);
        }

        private static TensorIndex[] Numbers(long[] indices) => Array.ConvertAll(indices, i => (TensorIndex)i);

        private void Assign(TensorIndex[] indices, Tensor value) => Put(value, indices, accumulate: false);

        private Tensor Put(Tensor value, TensorIndex[] indices, bool accumulate)
        {
            using var scope = NewDisposeScope();
            var (view, gathered) = Resolve(indices);
            if (gathered is not null) Op.InPlace("index_put_", view, gathered, value, accumulate);
            else if (accumulate) view.add_(value);
            else view.copy_(value);
            return this;
        }

        /// <summary>
        /// The view that numbers, ranges and new axes select, and the tensors that then gather from it (null where there are none).
        /// </summary>
        private (Tensor View, Tensor?[]? Gathered) Resolve(TensorIndex[] indices)
        {
            var view = this;
            var consumed = indices.Count(i => i.Kind is TensorIndex.Form.Single or TensorIndex.Form.Slice)
                + indices.Where(i => i.Kind == TensorIndex.Form.Tensor).Sum(i => Spanned(i.Value!));
            if (consumed > Dimensions) throw new ArgumentException($"{consumed} indices for a tensor of {Dimensions} dimensions.", nameof(indices));
            List<Tensor?> gathered = [];
            long dim = 0;

            foreach (var index in indices)
            {
                switch (index.Kind)
                {
                    case TensorIndex.Form.Single:
                        view = view.select(dim, index.Start!.Value);
                        break;
                    case TensorIndex.Form.Slice:
                        view = Op.Call("slice.Tensor", view, dim++, index.Start, index.Stop, index.Step ?? 1);
                        break;
                    case TensorIndex.Form.Ellipsis:
                        dim += Dimensions - consumed;
                        break;
                    case TensorIndex.Form.None or TensorIndex.Form.Null:
                        view = view.unsqueeze(dim++);
                        break;
                    case TensorIndex.Form.Bool:
                        view = view.unsqueeze(dim);
                        Gather(index.Start != 0 ? zeros(1, int64, device) : zeros(0, int64, device), 1);
                        break;
                    case TensorIndex.Form.Tensor:
                        Gather(index.Value!, Spanned(index.Value!));
                        break;
                }
            }
            return (view, gathered.Count == 0 ? null : gathered.ToArray());

            void Gather(Tensor positions, long spans)
            {
                while (gathered.Count < dim) gathered.Add(null);
                gathered.Add(positions);
                dim += spans;
            }

            // A mask stands for as many dimensions as it has.
            static long Spanned(Tensor t) => t.dtype is ScalarType.Bool or ScalarType.Byte ? t.Dimensions : 1;
        }
    }
}
