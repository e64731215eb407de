namespace LowRankTraining.Text;

/// <summary>On an option that holds a part: null stands for the method's own choice, so that there is always one, and "none" cannot be asked for.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OwnByDefaultAttribute : Attribute;
