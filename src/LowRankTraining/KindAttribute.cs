namespace LowRankTraining;

/// <summary>The word for a value of its own name in the text form of methods, where it is not the name of the property: "8bit".</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class KindAttribute(string name) : Attribute
{
    public string Name => name;
}
