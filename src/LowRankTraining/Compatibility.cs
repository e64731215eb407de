namespace LowRankTraining;

/// <summary>Whom to follow where a paper and its authors' code differ.</summary>
public enum Compatibility
{
    /// <summary>The paper, with the mistakes of the code mended.</summary>
    Paper,

    /// <summary>The authors' code, number for number, so that their runs can be reproduced.</summary>
    ReferenceCode,
}
