using System.Globalization;
using System.Text;

namespace TorchSharp;

public static partial class torch
{
    public const TensorStringStyle csharp = TensorStringStyle.CSharp;
    public const TensorStringStyle julia = TensorStringStyle.Julia;
    public const TensorStringStyle numpy = TensorStringStyle.Numpy;

    public partial class Tensor
    {
        // Beyond this many along one dimension the middle is left out.
        private const int Shown = 8;

        /// <summary>Shape, type and device: <c>[2x3], type = Float32, device = cpu</c>.</summary>
        public override string ToString() => ToString(TensorStringStyle.Metadata);

        public string ToString(bool disamb, string? fltFormat = null, int? width = null, CultureInfo? cultureInfo = null, string? newLine = null) =>
            ToString(disamb ? TensorStringStyle.Default : TensorStringStyle.Metadata, fltFormat, width, cultureInfo, newLine);

        /// <summary>One layout of values for all styles but <c>Metadata</c>: nested brackets, long dimensions shortened.</summary>
        public string ToString(TensorStringStyle style, string? fltFormat = null, int? width = null, CultureInfo? cultureInfo = null, string? newLine = null)
        {
            if (IsInvalid) return "disposed tensor";
            var head = string.Create(CultureInfo.InvariantCulture, $"[{string.Join('x', shape)}], type = {dtype}, device = {device}");
            if (style == TensorStringStyle.Metadata || is_meta) return head;

            using var guard = no_grad();
            using var scope = NewDisposeScope();
            var text = new StringBuilder(head).Append(newLine ?? Environment.NewLine);
            Append(text, cpu().@double(), fltFormat ?? "g5", cultureInfo ?? CultureInfo.InvariantCulture);
            return text.ToString();
        }

        private static void Append(StringBuilder text, Tensor values, string format, CultureInfo culture)
        {
            if (values.Dimensions == 0)
            {
                text.Append(values.ToDouble().ToString(format, culture));
                return;
            }
            var count = values.shape[0];
            text.Append('[');
            for (long i = 0; i < count; i++)
            {
                if (i > 0) text.Append(", ");
                if (count > Shown && i == Shown / 2)
                {
                    text.Append("..., ");
                    i = count - Shown / 2;
                }
                using var inner = values.select(0, i);
                Append(text, inner, format, culture);
            }
            text.Append(']');
        }
    }
}
