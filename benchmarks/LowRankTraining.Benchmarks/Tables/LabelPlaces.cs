namespace LowRankTraining.Benchmarks.Tables;

/// <summary>Places for the names of dots, beside them or as near as there is room.</summary>
internal static class LabelPlaces
{
    private const double LetterWidth = 7.7, HalfHeight = 7, DotRadius = 6;

    /// <summary>How far a name is above or below its dot, and how far to the side.</summary>
    private static readonly double[] Shifts = [0, 9, 16, 24, 32, 42, 54], Gaps = [10, 18];

    /// <summary>Places in the order of <paramref name="labels"/>, of which the first choose first.</summary>
    public static IReadOnlyList<Place> Find(IReadOnlyList<Label> labels, Box page)
    {
        var taken = labels.Select(label => new Box(label.X - DotRadius, label.Y - DotRadius, label.X + DotRadius, label.Y + DotRadius)).ToList();
        var places = new List<Place>();
        foreach (var label in labels)
        {
            places.Add(Around(label).MinBy(place => place.Cost + (place.Box.IsIn(page) ? 0 : 1e6) + taken.Sum(place.Box.Overlap))!);
            taken.Add(places[^1].Box);
        }

        return places;
    }

    private static IEnumerable<Place> Around(Label label) =>
        from shift in Shifts
        from isRight in new[] { true, false }
        from direction in shift == 0 ? [1] : new[] { -1, 1 }
        from gap in Gaps
        select new Place(label, isRight, direction * shift, gap);

    /// <summary>A dot and its name.</summary>
    internal readonly record struct Label(double X, double Y, string Text);

    /// <summary>A rectangle.</summary>
    internal readonly record struct Box(double Left, double Top, double Right, double Bottom)
    {
        public bool IsIn(Box other) => Left >= other.Left && Right <= other.Right && Top >= other.Top && Bottom <= other.Bottom;

        public double Overlap(Box other) =>
            Math.Max(0, Math.Min(Right, other.Right) - Math.Max(Left, other.Left)) * Math.Max(0, Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top));
    }

    /// <summary>Where a name could stand: to the right of its dot or to the left, <paramref name="Shift"/> below it, <paramref name="Gap"/> away.</summary>
    internal sealed record Place(Label Label, bool IsRight, double Shift, double Gap)
    {
        /// <value>Where the name begins, or ends where it is on the left.</value>
        public double Anchor => Label.X + (IsRight ? Gap : -Gap);

        /// <value>Height of its middle.</value>
        public double Middle => Label.Y + Shift;

        /// <value>Whether it is so far away that a line must lead to it.</value>
        public bool IsAway => Math.Abs(Shift) > Shifts[1] || Gap > Gaps[0];

        public double Cost => 0.6 * Math.Abs(Shift) + 0.3 * (Gap - Gaps[0]);

        public Box Box => IsRight
            ? new(Anchor, Middle - HalfHeight, Anchor + Width, Middle + HalfHeight)
            : new(Anchor - Width, Middle - HalfHeight, Anchor, Middle + HalfHeight);

        private double Width => LetterWidth * Label.Text.Length + 2;
    }
}
