export const exportFolder = (workspaceId: string, id: string) => `exports/${workspaceId}/${id}/`;

export const exportFileKey = (workspaceId: string, id: string, n: number) =>
  `${exportFolder(workspaceId, id)}${n}`;

export const exportManifestKey = (workspaceId: string, id: string) =>
  `${exportFolder(workspaceId, id)}manifest.json`;
