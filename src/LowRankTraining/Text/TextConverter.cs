using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Text;

/// <summary>Methods, schedules and other parts in JSON: their text form.</summary>
/// <typeparam name="TPart">The family: <see cref="ILowRankStrategy"/>.</typeparam>
internal sealed class TextConverter<TPart> : JsonConverter<TPart> where TPart : class
{
    public override TPart Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var node = JsonNode.Parse(ref reader, new() { PropertyNameCaseInsensitive = false });
        try
        {
            return PartReader.Read<TPart>(node, "", []);
        }
        catch (OptionsValidationException exception)
        {
            throw new JsonException(exception.Message, exception);
        }
    }

    public override void Write(Utf8JsonWriter writer, TPart value, JsonSerializerOptions options) => PartWriter.Short(value).WriteTo(writer, options);
}
